/* Seats: opening a task's state and stages, going back to the last commit. Called by worker.c and source.c. */
#include <stdlib.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "lane.h"

#define PAUSE_FIRST 0.5
#define PAUSE_MOST 30.0

static int read_changelog(struct fl_lane *lane, struct fl_seat *seat, struct fl_changelog *log, char *err)
{
	struct fl_streams *st = lane->app->streams;
	int64_t from = fl_store_position(log->store), first, end;
	if (st->ops->bounds(st, (uint32_t)log->stream, seat->task.partition, &first, &end, err) < 0)
		return -1;
	if (from < first)
		return fl_err(err, "the state of store %s is incomplete: its changelog begins at %lld, but the checkpoint in %s/state stands at %lld; "
			      "put that directory back from where it went, or start anew with another --data",
			      fl_store_name(log->store), (long long)first, lane->app->dir, (long long)from);
	if (from > end)
		return fl_err(err, "the checkpoint of store %s in %s/state is ahead of its changelog (%lld, which ends at %lld): they are not of one app's data",
			      fl_store_name(log->store), lane->app->dir, (long long)from, (long long)end);
	while (from < end) {
		struct fl_segment *seg;
		int rc = st->ops->read(lane->reader, (uint32_t)log->stream, seat->task.partition, from, &seg, err);
		if (rc < 0)
			return -1;
		if (rc == 0)
			break; /* what is left up to its end is the gap that a power cut leaves */
		struct fl_record r;
		size_t at = 0;
		int64_t offset = seg->base;
		while (fl_segment_next(seg, &at, &r) > 0) {
			if (offset >= from && fl_store_apply(log->store, r.key, r.value, offset, err) < 0) {
				fl_segment_unref(seg);
				return -1;
			}
			offset++;
		}
		from = seg->base + seg->n;
		fl_segment_unref(seg);
	}
	log->next = end;
	return 0;
}

struct opening {
	struct fl_lane *lane;
	struct fl_seat *seat;
};

/* Every store gets its changelog when it is made, and what the changelog has beyond the checkpoint. */
static int restore_store(void *arg, struct fl_store *store, char *err)
{
	struct opening *o = arg;
	struct fl_seat *seat = o->seat;
	struct fl_app *app = o->lane->app;
	uint32_t from = seat->flow->is->from;
	char *name = fl_printf("%s-%s-changelog", app->plan->app, fl_store_name(store));
	struct fl_stream_def def = {.name = name, .changelog = 1,
		.partitions = from == FL_NO_STREAM ? 1 : app->plan->stream[from].partitions};
	int stream = app->streams->ops->declare(app->streams, &def, err);
	free(name);
	if (stream < 0)
		return -1;
	/* Flights point at the logs: none may be under way when they move. */
	fl_lane_wait(o->lane, 0);
	seat->log = fl_realloc(seat->log, (seat->logs + 1) * sizeof *seat->log);
	struct fl_changelog *log = &seat->log[seat->logs];
	*log = (struct fl_changelog){.store = store, .stream = stream};
	if (read_changelog(o->lane, seat, log, err) < 0)
		return -1;
	seat->logs++;
	return 0;
}

static void seat_shut(struct fl_seat *seat)
{
	fl_task_close(&seat->task);
	if (seat->task.state)
		fl_state_close(seat->task.state);
	seat->task.state = NULL;
	for (uint32_t k = 0; k < seat->logs; k++)
		fl_buf_free(&seat->log[k].buf);
	free(seat->log);
	seat->log = NULL;
	seat->logs = 0;
	fl_segment_unref(seat->segment);
	seat->segment = NULL;
	seat->open = seat->changed = 0;
}

static int find_position(struct fl_lane *lane, struct fl_seat *seat, char *err)
{
	const struct fl_plan_flow *is = seat->flow->is;
	struct fl_streams *st = lane->app->streams;
	if (is->from == FL_NO_STREAM)
		return 0;
	uint32_t stream = (uint32_t)lane->app->stream_of[is->from], part = seat->task.partition;
	int64_t first, end, at = st->ops->position(st, is->name, stream, part, err);
	if (at < -1 || st->ops->bounds(st, stream, part, &first, &end, err) < 0)
		return -1;
	seat->committed = at;
	seat->next = at >= 0 ? at : is->newest ? end : first;
	if (at < 0 && is->newest)
		fl_lane_mark(lane); /* where it began is kept, so that a restart does not begin somewhere else */
	atomic_store(&seat->flow->done[part], seat->next);
	return 0;
}

int fl_seat_open(struct fl_lane *lane, struct fl_seat *seat, char *err)
{
	struct opening *o = fl_alloc(sizeof *o); /* the state keeps it */
	*o = (struct opening){lane, seat};
	char *who = fl_printf("%s[%u]", seat->flow->who, seat->task.partition);
	char *dir = fl_printf("%s/state/%s-%u", lane->app->dir, seat->flow->is->name, seat->task.partition);
	struct fl_state_conf conf = {.dir = dir, .who = who, .restore = restore_store, .arg = o,
		.overlay = (size_t)lane->app->plan->state_memory};
	struct fl_state *state = fl_state_open(&conf, err);
	free(dir);
	free(who);
	free(seat->opening);
	seat->opening = o;
	if (!state)
		return -1;
	if (fl_task_open(&seat->task, seat->line, seat->task.partition, state, err) < 0 || find_position(lane, seat, err) < 0) {
		seat_shut(seat);
		return -1;
	}
	seat->open = 1;
	seat->checkpoint_at = fl_monotonic() + FL_CHECKPOINT_SECONDS;
	return 0;
}

void fl_seat_pause(struct fl_seat *seat)
{
	seat->pause = seat->pause == 0 ? PAUSE_FIRST : seat->pause * 2 < PAUSE_MOST ? seat->pause * 2 : PAUSE_MOST;
	seat->retry_at = fl_monotonic() + seat->pause;
	atomic_store(&seat->flow->waits, FL_WAITS_RETRY);
}

/* A snapshot borrows nothing from the state, but the state must hear what became of it. */
static void wait_checkpoint(struct fl_lane *lane, struct fl_seat *seat)
{
	for (fl_seat_reap(seat); seat->pending; fl_seat_reap(seat))
		fl_lane_sleep(lane, 1);
}

void fl_lane_abort(struct fl_lane *lane, struct fl_seat *fault)
{
	fl_lane_wait(lane, 0);
	fl_output_drop(&lane->out);
	lane->first = 0;
	for (uint32_t k = 0; k < lane->seats; k++) {
		struct fl_seat *seat = lane->seat[k];
		char err[FL_ERRLEN];
		if (!seat->open)
			continue;
		wait_checkpoint(lane, seat);
		seat_shut(seat);
		if (seat == fault)
			fl_seat_pause(seat);
		else if (fl_seat_open(lane, seat, err) < 0) {
			fl_log(FL_ERROR, seat->flow->who, "%s", err);
			fl_seat_pause(seat);
		}
	}
	fl_metric_add(lane->app->failures, 1);
}


void fl_seat_free(struct fl_lane *lane, struct fl_seat *seat)
{
	wait_checkpoint(lane, seat);
	seat_shut(seat);
	fl_task_forget(&seat->task, INT64_MAX);
	free(seat->task.poison);
	free(seat->opening);
	free(seat);
}
