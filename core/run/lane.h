/* A lane: one thread's way to the committer. It owns what the thread's tasks have written since the last commit, and the
 * commits that are under way. A worker has one for all its tasks, a source has one for itself.
 *
 * A commit carries positions, outputs and state changes of all tasks of the lane as one atomic step. It is handed over
 * and acknowledged later; at most FL_FLIGHTS are under way, so that the next batch is worked on while the last one is
 * written, and nothing grows. */
#ifndef FL_RUN_LANE_H
#define FL_RUN_LANE_H

#include "app.h"
#include "line.h"

#define FL_FLIGHTS 2
#define FL_COMMIT_BYTES ((size_t)16 << 20)
#define FL_COMMIT_SECONDS 0.050
#define FL_CHECKPOINT_SECONDS 5.0

/* The changelog of one store of a task. */
struct fl_changelog {
	struct fl_store *store;
	int stream;          /* index in the app's streams */
	struct fl_buf buf;
	uint32_t n;
	int64_t next;        /* offset behind the last committed change */
};

/* A task as its lane sees it. */
struct fl_seat {
	struct fl_task task;
	struct fl_flow *flow;
	struct fl_line *line;
	struct fl_changelog *log; /* one a store */
	uint32_t logs;
	int64_t next, committed;  /* input: the next offset to process; what was last handed to a commit */
	struct fl_segment *segment;
	size_t at;                /* in segment */
	int64_t at_offset;
	int open;                 /* its state and stages are there */
	double retry_at, pause;   /* after a failure: when it is tried again */
	double checkpoint_at;     /* when the next one is due */
	struct fl_pending *pending; /* a checkpoint that is being written */
	void *opening;            /* what the state calls back with */
	int changed;              /* state was committed since the last checkpoint */
	int failed_checkpoint;    /* the last one was not written */
};

struct fl_flight;
struct fl_lane {
	struct fl_app *app;
	struct fl_reader *reader;
	struct fl_output out;
	struct fl_seat **seat;
	uint32_t seats;
	struct fl_flight *flight[FL_FLIGHTS]; /* oldest first */
	uint32_t flights;
	double first;    /* when the oldest uncommitted thing was done; 0: there is none */
	double ticked;   /* the last second that ticks were called for */
	int missed;      /* it slept for a commit of its own: what else was committed meanwhile nobody has looked at */
};

int fl_lane_open(struct fl_lane *lane, struct fl_app *app, char *err);
void fl_lane_close(struct fl_lane *lane); /* its seats too; commits nothing */
struct fl_seat *fl_lane_seat(struct fl_lane *lane, struct fl_flow *flow, struct fl_line *line, uint32_t partition);

/* Opens a seat's state (checkpoint and changelog), its stages, and finds its position. -1: tried again later. */
int fl_seat_open(struct fl_lane *lane, struct fl_seat *seat, char *err);

/* It failed: shut, and tried again after a pause that doubles. */
void fl_seat_pause(struct fl_seat *seat);
/* What became of its checkpoint. */
void fl_seat_reap(struct fl_seat *seat);
void fl_seat_free(struct fl_lane *lane, struct fl_seat *seat);

/* Something was done that the next commit carries. */
void fl_lane_mark(struct fl_lane *lane);
/* Whether a commit is due: too much or too long. */
int fl_lane_full(const struct fl_lane *lane, double now);
/* Hands everything done so far to the committer; waits while FL_FLIGHTS are under way. Where a script's values can't be
 * had it aborts instead: seats may be closed afterwards. */
void fl_lane_commit(struct fl_lane *lane);
/* Takes note of what was acknowledged. */
void fl_lane_reap(struct fl_lane *lane);
/* Sleeps for what is under way, not for input. */
void fl_lane_sleep(struct fl_lane *lane, double seconds);
/* Until no more than most are under way. */
void fl_lane_wait(struct fl_lane *lane, uint32_t most);
/* Commits, and waits until all of it is in. */
void fl_lane_settle(struct fl_lane *lane);
/* Back to the last commit: forgets what was done since, and opens every seat anew. The one at fault waits before it is tried again. */
void fl_lane_abort(struct fl_lane *lane, struct fl_seat *fault);

/* Checkpoints that are due, or (all) of every seat; and what became of those that were written. */
void fl_lane_checkpoint(struct fl_lane *lane, double now, int all);
/* Seconds until the lane has something to do by the clock. */
double fl_lane_next(const struct fl_lane *lane, double now);

#endif
