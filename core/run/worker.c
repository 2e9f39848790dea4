/* The loop of a worker: read, run the stages, commit; between two commits reloads, ticks, checkpoints. */
#include "worker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../base/clock.h"
#include "../base/log.h"

#define BATCH_BYTES ((size_t)4 << 20) /* of the records in a batch: large ones come in fewer at a time */
#define CLOCK_BACK 2.0 /* seconds that the clock may go back without a second being ticked twice */

struct fl_worker *fl_worker_new(struct fl_app *app, uint32_t number, char *err)
{
	struct fl_worker *w = fl_alloc(sizeof *w);
	w->app = app;
	w->number = number;
	if (fl_lane_open(&w->lane, app, err) < 0) {
		fl_worker_free(w);
		return NULL;
	}
	fl_mailbox_init(&w->box, app->streams, w->lane.reader);
	w->box.lane = &w->lane;
	return w;
}

static struct fl_line *line_of(struct fl_worker *w, struct fl_flow *flow, char *err)
{
	for (uint32_t k = 0; k < w->lines; k++)
		if (w->line[k]->flow == flow)
			return w->line[k];
	struct fl_line *line = fl_line_new(flow, err);
	if (!line)
		return NULL;
	w->line = fl_realloc(w->line, (w->lines + 1) * sizeof *w->line);
	w->line[w->lines++] = line;
	w->box.line = w->line;
	w->box.lines = w->lines;
	return line;
}

int fl_worker_add(struct fl_worker *w, struct fl_flow *flow, uint32_t partition, char *err)
{
	struct fl_line *line = line_of(w, flow, err);
	if (!line)
		return -1;
	return fl_seat_open(&w->lane, fl_lane_seat(&w->lane, flow, line, partition), err);
}

/* ---- a batch --------------------------------------------------------------------------------------------------- */

/* Puts records from seat's segment into the batch, up to what it holds; the segment stays referenced. */
static int fill(struct fl_seat *seat, struct fl_events *ev, char *err)
{
	struct fl_record r;
	const size_t from = seat->at;
	int rc = 1;
	while (ev->b.n < ev->capacity && seat->at - from < BATCH_BYTES) {
		const size_t at = seat->at;
		if ((rc = fl_segment_next(seat->segment, &seat->at, &r)) <= 0)
			break;
		if (fl_task_splits(&seat->task, ev, r.time)) {
			seat->at = at;
			break;
		}
		if (seat->at_offset >= seat->next)
			fl_events_add(ev, seat->at_offset, r.time, r.key, r.value, r.headers);
		seat->at_offset++;
	}
	if (rc < 0)
		return fl_err(err, "the records from offset %lld on of %s[%u] are damaged", (long long)seat->at_offset,
			      seat->flow->plan->stream[seat->flow->is->from].name, seat->task.partition);
	return rc == 0;
}

/* The segment at seat's next offset, or behind what retention took. */
static int read_next(struct fl_worker *w, struct fl_seat *seat, char *err)
{
	const struct fl_streams_ops *ops = w->app->streams->ops;
	uint32_t stream = (uint32_t)w->app->stream_of[seat->flow->is->from], part = seat->task.partition;
	int64_t end = ops->end(w->app->streams, stream, part);
	int rc = ops->read(w->lane.reader, stream, part, seat->next, &seat->segment, err);
	if (rc > 0 ? seat->segment->base > seat->next : rc == 0 && end > seat->next) {
		seat->next = fl_app_skip(w->app, seat->flow, part, seat->next);
		atomic_store(&seat->flow->done[part], seat->next);
		fl_lane_mark(&w->lane);
	}
	return rc;
}

/* One batch of one task. 1: there was one, 0: nothing to read, -1: it failed. */
static int step(struct fl_worker *w, struct fl_seat *seat, char *err)
{
	struct fl_lane *lane = &w->lane;
	const struct fl_plan_flow *is = seat->flow->is;
	if (!seat->segment) {
		int rc = read_next(w, seat, err);
		if (rc <= 0)
			return rc;
		seat->at = 0;
		seat->at_offset = seat->segment->base;
	}
	struct fl_events *ev = seat->line->ev[0];
	fl_events_begin(ev, seat->flow->plan->stream[is->from].name, seat->task.partition, fl_now());
	int over = fill(seat, ev, err);
	if (over < 0)
		return -1;
	fl_events_decode(ev);
	fl_line_load(seat->line, ev);
	if (fl_line_run(seat->line, &seat->task, &lane->out, err) < 0)
		return -1;
	seat->next = seat->at_offset;
	atomic_store_explicit(&seat->flow->done[seat->task.partition], seat->next, memory_order_relaxed);
	fl_lane_mark(lane);
	if (over) {
		fl_segment_unref(seat->segment);
		seat->segment = NULL;
	}
	return 1;
}

/* A seat that failed comes back after its pause. */
static int is_open(struct fl_lane *lane, struct fl_seat *seat, double now)
{
	char err[FL_ERRLEN];
	if (seat->open)
		return 1;
	if (now < seat->retry_at)
		return 0;
	if (fl_seat_open(lane, seat, err) == 0)
		return 1;
	fl_log(FL_ERROR, seat->flow->who, "%s", err);
	fl_seat_pause(seat);
	return 0;
}

static int round_of(struct fl_worker *w, double now)
{
	int any = 0;
	for (uint32_t k = 0; k < w->lane.seats; k++) {
		struct fl_seat *seat = w->lane.seat[k];
		char err[FL_ERRLEN];
		if (!is_open(&w->lane, seat, now))
			continue;
		int rc = step(w, seat, err);
		if (rc < 0) {
			fl_log(FL_ERROR, seat->flow->who, "partition %u goes back to its last commit: %s", seat->task.partition, err);
			fl_lane_abort(&w->lane, seat);
			return 1;
		}
		any |= rc;
		if (w->lane.out.bytes >= FL_COMMIT_BYTES)
			fl_lane_commit(&w->lane);
	}
	return any;
}

/* ---- by the clock ---------------------------------------------------------------------------------------------- */

static int wants_ticks(struct fl_worker *w)
{
	for (uint32_t k = 0; k < w->lane.seats; k++)
		if (w->lane.seat[k]->open && fl_task_ticks(&w->lane.seat[k]->task))
			return 1;
	return 0;
}

static void ticks(struct fl_worker *w)
{
	double second = floor(fl_now());
	if (second < w->lane.ticked - CLOCK_BACK)
		w->lane.ticked = second - 1; /* it was set back, and is no reason to stop until it has caught up */
	if (second <= w->lane.ticked)
		return;
	w->lane.ticked = second;
	for (uint32_t k = 0; k < w->lane.seats; k++) {
		struct fl_seat *seat = w->lane.seat[k];
		char err[FL_ERRLEN];
		if (!seat->open || !fl_task_ticks(&seat->task))
			continue;
		fl_lane_mark(&w->lane);
		if (fl_line_tick(seat->line, &seat->task, &w->lane.out, second, err) < 0) {
			fl_log(FL_ERROR, seat->flow->who, "partition %u goes back to its last commit: %s", seat->task.partition, err);
			fl_lane_abort(&w->lane, seat);
			return;
		}
	}
}

static int all_open(const struct fl_lane *lane)
{
	for (uint32_t k = 0; k < lane->seats; k++)
		if (!lane->seat[k]->open)
			return 0;
	return 1;
}

static void rest(struct fl_worker *w, double now)
{
	struct fl_lane *lane = &w->lane;
	fl_lane_reap(lane);
	if (lane->missed)
		return;
	atomic_store(&w->idle, lane->first == 0 && lane->flights == 0 && all_open(lane));
	double wait = fl_lane_next(lane, now);
	if (wants_ticks(w)) {
		double clock = fl_now(), second = floor(clock) + 1 - clock;
		wait = second < wait ? second : wait;
	}
	for (uint32_t k = 0; k < w->lines; k++)
		atomic_store(&w->line[k]->flow->waits, lane->flights ? FL_WAITS_COMMIT : FL_WAITS_INPUT);
	w->app->streams->ops->wait(lane->reader, wait);
	for (uint32_t k = 0; k < w->lines; k++)
		atomic_store(&w->line[k]->flow->waits, FL_WAITS_NOT);
	atomic_store(&w->idle, 0);
}

static void *run(void *arg)
{
	struct fl_worker *w = arg;
	struct fl_lane *lane = &w->lane;
	while (!atomic_load_explicit(&w->app->stop, memory_order_relaxed)) {
		fl_mailbox_take(&w->box);
		lane->missed = 0;
		double now = fl_monotonic();
		int any = round_of(w, now);
		ticks(w);
		fl_lane_reap(lane);
		if (lane->first > 0 && (!any || fl_lane_full(lane, now)))
			fl_lane_commit(lane);
		fl_lane_checkpoint(lane, now, 0);
		if (!any)
			rest(w, now);
	}
	fl_lane_settle(lane);
	fl_lane_checkpoint(lane, fl_monotonic(), 1);
	return NULL;
}

void fl_worker_start(struct fl_worker *w)
{
	char name[16];
	snprintf(name, sizeof name, "worker-%u", w->number);
	w->lane.ticked = floor(fl_now());
	FL_ASSERT(pthread_create(&w->thread, NULL, run, w) == 0);
	pthread_setname_np(w->thread, name);
	w->started = 1;
}

void fl_worker_join(struct fl_worker *w)
{
	if (w->started)
		pthread_join(w->thread, NULL);
	w->started = 0;
}

void fl_worker_free(struct fl_worker *w)
{
	if (!w)
		return;
	if (w->box.streams)
		fl_mailbox_close(&w->box);
	fl_lane_close(&w->lane);
	for (uint32_t k = 0; k < w->lines; k++)
		fl_line_free(w->line[k]);
	free(w->line);
	free(w);
}
