/* A sink: a thread that reads committed records of one stream and writes them to one plugin. On its own, so that a dead
 * database stops nothing else. */
#ifndef FL_RUN_SINK_H
#define FL_RUN_SINK_H

#include "swap.h"

struct fl_sink;
struct fl_sink *fl_sink_new(struct fl_app *app, struct fl_flow *flow, char *err);
void fl_sink_start(struct fl_sink *s);
void fl_sink_join(struct fl_sink *s);
void fl_sink_free(struct fl_sink *s);
int fl_sink_idle(struct fl_sink *s); /* everything that was committed is flushed */
struct fl_mailbox *fl_sink_box(struct fl_sink *s);

#endif
