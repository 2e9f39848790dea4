/* A line: the stages of one flow on one thread. It holds what the flow's tasks on that thread share (the batches, the
 * Lua states); a task is the flow on one partition, owner of its state and of its plugins' instances.
 *
 * fl_line_run takes a loaded batch through the stages and hands every event on: to output, late stream, dead letters,
 * or to the counters. Used by the workers, the sources and `pipe`. */
#ifndef FL_RUN_LINE_H
#define FL_RUN_LINE_H

#include "../base/metric.h"
#include "../script/script.h"
#include "output.h"

/* What all lines of one flow share, on whatever thread. */
struct fl_flow {
	const struct fl_plan *plan;
	const struct fl_plan_flow *is;
	struct fl_fields *fields;
	char *who;    /* "yacht/enrich" */
	char *labels; /* app="yacht",pipeline="enrich" */
	const char *data_dir;
	struct fl_metric *in, *out, *late, *dead, *reloads, *failed;
	uint32_t *key, *time; /* [plan stream]: columns of the key and time fields of from and to; FL_NO_FIELD */
	_Atomic int64_t *done; /* [partition] next offset to read, for lag */
	_Atomic int waits;     /* what it waits for now: enum fl_waits */
};
enum fl_waits { FL_WAITS_NOT, FL_WAITS_INPUT, FL_WAITS_COMMIT, FL_WAITS_READERS, FL_WAITS_RETRY };

struct fl_flow *fl_flow_new(const struct fl_plan *plan, const struct fl_plan_flow *is, const char *data_dir);
void fl_flow_free(struct fl_flow *f);

struct fl_line {
	struct fl_flow *flow;
	struct fl_events **ev;     /* [stages + 1]: the batch that was read, and those that stages' emits make of it */
	struct fl_script **script; /* [stages]: NULL for plugins */
	struct fl_module **module; /* [stages]: what instances are opened from; a reload changes it */
	struct fl_buf *regroup;    /* [stages + 1]: bytes of the records in ev[k] */
	struct fl_str **original;  /* [stages + 1]: of ev[k]'s events, as they were read; NULL for 0 */
	struct fl_order order;     /* of what is written when stages emit */
	struct fl_dropped *dropped; /* counters by reason */
};

/* Opens the scripts. stores: the flow's tasks have state. An error names the script. */
struct fl_line *fl_line_new(struct fl_flow *flow, char *err);
void fl_line_free(struct fl_line *line);

/* How a script or plugin of stage k is opened: also by a reload, on another thread. */
struct fl_script *fl_line_script(struct fl_flow *flow, uint32_t k, char *err);
struct fl_instance *fl_line_instance(struct fl_flow *flow, uint32_t k, struct fl_module *m, char *err);

struct fl_task_stage {
	struct fl_instance *instance;
	struct fl_script_task *script;
};

/* A record that took the Lua state down: rejected when it is met again. */
struct fl_poison {
	int64_t offset;
	char *stage, *at, *text;
};

struct fl_task {
	struct fl_line *line;
	uint32_t partition;
	struct fl_state *state;
	struct fl_task_stage *stage; /* [stages] */
	struct fl_poison *poison;
	uint32_t poisons;
};

/* Records before next are done with: forgets which of them were poison. */
void fl_task_forget(struct fl_task *t, int64_t next);

/* Makes and binds the stages; the state is open. migrate: the stores may be changed already (an error then is one of the task). */
int fl_task_open(struct fl_task *t, struct fl_line *line, uint32_t partition, struct fl_state *state, char *err);
void fl_task_close(struct fl_task *t); /* not the state */
/* Whether what is to be stage k keeps no store that another stage keeps: they would overwrite each other's changes. */
int fl_task_check_stores(const struct fl_task *t, uint32_t k, const struct fl_script *sc, const struct fl_instance *in, char *err);

/* Key and time of the records in ev that come without, by the stream's fields; after fl_events_decode. */
void fl_line_load(struct fl_line *line, struct fl_events *ev);

/* Whether a record of this time must not be put behind those in ev. Stores with a time to live go by the highest time
 * that was seen, which therefore moves between two batches only: what has expired for an event is the same wherever
 * batches are cut. */
int fl_task_splits(const struct fl_task *t, const struct fl_events *ev, double time);
/* The batch in line->ev[0] through all stages and out. -1: the task has to go back to its last commit. */
int fl_line_run(struct fl_line *line, struct fl_task *t, struct fl_output *out, char *err);
/* tick(now) of all stages that have it. */
int fl_line_tick(struct fl_line *line, struct fl_task *t, struct fl_output *out, double now, char *err);
/* Whether a stage of this task has a tick(). */
int fl_task_ticks(const struct fl_task *t);

/* Before the commit: scripts' values into their stores. */
int fl_task_flush(struct fl_task *t, char *err); /* -1: some are lost: back to the last commit */

#endif
