/* A source: a thread with one script or plugin that makes records, and a lane that commits them with its state. */
#ifndef FL_RUN_SOURCE_H
#define FL_RUN_SOURCE_H

#include "swap.h"

struct fl_source {
	pthread_t thread;
	int started;
	struct fl_app *app;
	struct fl_flow *flow;
	struct fl_line *line;
	struct fl_lane lane;
	struct fl_mailbox box;
	_Atomic int ended; /* it has no more, and all of it is committed */
	double due;        /* a script's next call */
	uint64_t wrote, bytes;
};

struct fl_source *fl_source_new(struct fl_app *app, struct fl_flow *flow, char *err);
void fl_source_start(struct fl_source *s);
void fl_source_join(struct fl_source *s);
void fl_source_free(struct fl_source *s);
int fl_source_endless(const struct fl_plan_flow *is);

#endif
