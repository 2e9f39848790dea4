/* A worker: a thread that runs tasks of pipelines. One lane, one line for each pipeline it has a task of. */
#ifndef FL_RUN_WORKER_H
#define FL_RUN_WORKER_H

#include "swap.h"

struct fl_worker {
	pthread_t thread;
	int started;
	struct fl_app *app;
	uint32_t number;
	struct fl_lane lane;
	struct fl_line **line;
	uint32_t lines;
	struct fl_mailbox box;
	_Atomic int idle; /* its last round found nothing, and all it did is committed */
};

struct fl_worker *fl_worker_new(struct fl_app *app, uint32_t number, char *err);
/* Takes on one partition of a pipeline, and opens it. */
int fl_worker_add(struct fl_worker *w, struct fl_flow *flow, uint32_t partition, char *err);
void fl_worker_start(struct fl_worker *w);
void fl_worker_join(struct fl_worker *w); /* app->stop is set */
void fl_worker_free(struct fl_worker *w);

#endif
