/* What becomes of the events that do not pass: counted by reason, to a late stream, or to the dead letters with where
 * and why. Called by line.c and sink.c on their threads. */
#ifndef FL_RUN_DEAD_H
#define FL_RUN_DEAD_H

#include "line.h"

/* What was said of events, in their order. */
void fl_dead_sort(struct fl_events *ev);
/* Settles the event that why speaks of; without a stage nobody said a word of it. */
void fl_dead_settle(struct fl_line *line, struct fl_events *ev, const struct fl_why *why, struct fl_output *out);

/* The dead letter of event i: its original key and bytes, and the fl.* headers. */
void fl_dead_letter(struct fl_flow *flow, struct fl_events *ev, const struct fl_why *why, struct fl_output *out);

void fl_dropped_free(struct fl_dropped *d);

#endif
