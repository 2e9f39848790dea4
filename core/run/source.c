/* The loop of a source: makes records at its pace, commits them, and waits while those who read them are behind. */
#include "source.h"

#include <math.h>
#include <stdlib.h>

#include "../base/clock.h"
#include "../base/log.h"

#define BATCH 4096                     /* records between two looks at the clock */
#define COMMIT_BYTES ((size_t)2 << 20) /* small commits: readers start early, and find the records still in memory */
#define BACKLOG_BYTES ((uint64_t)12 << 20)
#define BEHIND_MOST 1.0 /* seconds a generator may catch up on; after a longer sleep it starts from now */

struct fl_source *fl_source_new(struct fl_app *app, struct fl_flow *flow, char *err)
{
	struct fl_source *s = fl_alloc(sizeof *s);
	s->app = app;
	s->flow = flow;
	if (fl_lane_open(&s->lane, app, err) < 0 || !(s->line = fl_line_new(flow, err)))
		goto fail;
	fl_mailbox_init(&s->box, app->streams, s->lane.reader);
	s->box.lane = &s->lane;
	s->box.line = &s->line;
	s->box.lines = 1;
	if (fl_seat_open(&s->lane, fl_lane_seat(&s->lane, flow, s->line, 0), err) < 0)
		goto fail;
	return s;
fail:
	fl_source_free(s);
	return NULL;
}

int fl_source_endless(const struct fl_plan_flow *is)
{
	if (is->stage[0].kind == FL_STAGE_SCRIPT)
		return 1;
	/* A source plugin that can go on after its end has an option follow. */
	const struct fl_value *follow = fl_value_get(&is->stage[0].opts, "follow");
	return follow && follow->kind == FL_V_BOOL && follow->number != 0;
}

/* ---- making records -------------------------------------------------------------------------------------------- */

/* Calls generate() as often as is due. Returns the seconds until the next call. */
static int generate(struct fl_source *s, struct fl_seat *seat, double *wait, char *err)
{
	const struct fl_plan_stage *st = &s->flow->is->stage[0];
	struct fl_events *ev = s->line->ev[0];
	double now = fl_monotonic();
	if (s->due == 0 || now - s->due > BEHIND_MOST)
		s->due = now;
	while (s->due <= now && ev->emits < BATCH) {
		double next = -1;
		if (fl_script_generate(seat->task.stage[0].script, ev, fl_now(), &next, err) < 0)
			return -1;
		if (st->rate <= 0 && !(next >= 0 && isfinite(next)))
			return fl_err(err, "%s: generate(t) must return the seconds until its next call, as no rate is given in the conf", st->name);
		s->due += st->rate > 0 ? 1 / st->rate : next;
		if (s->due <= now && ev->emits < BATCH)
			now = fl_monotonic();
	}
	*wait = s->due - fl_monotonic();
	return 0;
}

/* One turn. 1: there may be more at once, 0: wait, 2: the end, -1: failed. */
static int turn(struct fl_source *s, struct fl_seat *seat, double *wait, char *err)
{
	struct fl_events *ev = s->line->ev[0];
	int end = 0;
	*wait = 1;
	fl_events_begin(ev, s->flow->plan->stream[s->flow->is->to].name, 0, fl_now());
	if (seat->task.stage[0].script) {
		if (generate(s, seat, wait, err) < 0)
			return -1;
	} else {
		int rc = fl_instance_read(seat->task.stage[0].instance, ev, BATCH, wait, err);
		if (rc == -1)
			return -1;
		end = rc == -2;
		if (rc > 0)
			*wait = 0;
	}
	if (ev->emits) {
		size_t was = s->lane.out.bytes;
		fl_output_emitted(&s->lane.out, ev, s->flow->is->to);
		s->wrote += ev->emits;
		s->bytes += s->lane.out.bytes - was;
		fl_metric_add(s->flow->in, ev->emits);
		fl_metric_add(s->flow->out, ev->emits);
	}
	fl_lane_mark(&s->lane); /* also a turn that emitted nothing may have changed state */
	return end ? 2 : *wait <= 0;
}

/* ---- pace ------------------------------------------------------------------------------------------------------ */

/* The log could take more, but what nobody has read yet grows: the source waits for the slowest pipeline behind it. */
static int readers_behind(struct fl_source *s)
{
	if (!s->wrote)
		return 0;
	uint64_t each = s->bytes / s->wrote + 1;
	return (uint64_t)fl_app_backlog(s->app, s->flow->is->to) * each > BACKLOG_BYTES;
}

static void rest(struct fl_source *s, double seconds, enum fl_waits why)
{
	atomic_store(&s->flow->waits, why);
	s->app->streams->ops->wait(s->lane.reader, seconds > 0 ? seconds : 0);
	atomic_store(&s->flow->waits, FL_WAITS_NOT);
}

static void failed(struct fl_source *s, struct fl_seat *seat, const char *err)
{
	fl_log(FL_ERROR, s->flow->who, "it goes back to its last commit: %s", err);
	fl_lane_abort(&s->lane, seat);
	s->due = 0;
}

static void closed(struct fl_source *s, struct fl_seat *seat, double now)
{
	char err[FL_ERRLEN];
	if (now < seat->retry_at)
		rest(s, seat->retry_at - now, FL_WAITS_RETRY);
	else if (fl_seat_open(&s->lane, seat, err) < 0) {
		fl_log(FL_ERROR, s->flow->who, "%s", err);
		fl_seat_pause(seat);
	}
}

static void *run(void *arg)
{
	struct fl_source *s = arg;
	struct fl_lane *lane = &s->lane;
	struct fl_seat *seat = lane->seat[0];
	char err[FL_ERRLEN];
	while (!atomic_load_explicit(&s->app->stop, memory_order_relaxed)) {
		fl_mailbox_take(&s->box);
		fl_lane_reap(lane);
		double wait, now = fl_monotonic();
		if (!seat->open) {
			closed(s, seat, now);
			continue;
		}
		if (readers_behind(s)) {
			fl_lane_commit(lane);
			rest(s, 0.01, FL_WAITS_READERS);
			continue;
		}
		int rc = turn(s, seat, &wait, err);
		if (rc < 0) {
			failed(s, seat, err);
			continue;
		}
		if (rc != 1 || fl_lane_full(lane, now) || lane->out.bytes >= COMMIT_BYTES)
			fl_lane_commit(lane);
		fl_lane_checkpoint(lane, now, 0);
		if (rc == 2)
			break;
		double next = fl_lane_next(lane, now);
		if (rc == 0)
			rest(s, wait < next ? wait : next, FL_WAITS_INPUT);
	}
	fl_lane_settle(lane);
	fl_lane_checkpoint(lane, fl_monotonic(), 1);
	atomic_store(&s->ended, 1);
	return NULL;
}

void fl_source_start(struct fl_source *s)
{
	FL_ASSERT(pthread_create(&s->thread, NULL, run, s) == 0);
	pthread_setname_np(s->thread, "source");
	s->started = 1;
}

void fl_source_join(struct fl_source *s)
{
	if (s->started)
		pthread_join(s->thread, NULL);
	s->started = 0;
}

void fl_source_free(struct fl_source *s)
{
	if (!s)
		return;
	if (s->box.streams)
		fl_mailbox_close(&s->box);
	fl_lane_close(&s->lane);
	fl_line_free(s->line);
	free(s);
}
