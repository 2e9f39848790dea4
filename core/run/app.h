/* An app: one plan, running. Its streams, its workers, sources and sinks, each on a thread of its own. */
#ifndef FL_RUN_APP_H
#define FL_RUN_APP_H

#include "checkpoint.h"
#include "line.h"

struct fl_app_conf {
	const char *data;   /* --data */
	uint32_t workers;   /* 0: as many as there are processors, but no more than partitions */
};

struct fl_app {
	const struct fl_plan *plan;
	char *dir;                  /* <data>/<app> */
	struct fl_streams *streams;
	int *stream_of;             /* [plan stream] index in streams */
	struct fl_flow **flow;      /* [plan flow]; NULL for a web */
	struct fl_checkpointer *checkpointer;
	struct fl_worker **worker;
	uint32_t workers;
	struct fl_source **source;  /* one a source */
	uint32_t sources;
	struct fl_sink **sink;
	uint32_t sinks;
	_Atomic int stop;           /* threads finish what they have in hand and commit */
	struct fl_metric *commits, *failures;
};

struct fl_app *fl_app_open(const struct fl_plan *plan, const struct fl_app_conf *conf, char *err);
void fl_app_start(struct fl_app *app);
void fl_app_ask_stop(struct fl_app *app);
/* Stops and waits for the threads, and closes everything. */
void fl_app_close(struct fl_app *app);

/* --until-idle: the sources have ended, and everything they wrote has gone all the way. */
int fl_app_idle(struct fl_app *app);
/* NULL, or why an app of this plan never becomes idle: the name of a source without an end. */
const char *fl_app_endless(const struct fl_plan *plan);

/* Records that the slowest pipeline behind a stream still has to read, over all that follow from it. */
int64_t fl_app_backlog(struct fl_app *app, uint32_t stream);
/* A flow found nothing at offset next of a partition, or only later records. Where retention took what it had not read,
 * this says so, and returns where it can go on; otherwise next. */
int64_t fl_app_skip(struct fl_app *app, const struct fl_flow *flow, uint32_t partition, int64_t next);
/* Records that one flow still has to read. */
int64_t fl_app_lag(struct fl_app *app, const struct fl_flow *flow);

#endif
