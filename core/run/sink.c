/* The loop of a sink: read, write, flush, keep the position; after a failure open the plugin anew and go back to the last
 * flush.
 *
 * A sink that keeps its own position is exactly once: what it flushed and where it stands are one step over there. Its
 * dead letters are committed here, before its flush, together with the host's position of it: so after a crash between
 * the two, records below the host's position are written again but not dead-lettered again. That needs a position over
 * there from the first record on, so a sink that has none yet is given where it begins before anything else.
 *
 * After a failure nothing that the plugin was given counts, and its instance is not asked for anything any more. */
#include "sink.h"

#include <stdlib.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "dead.h"

#define FLUSH_SECONDS 1.0
#define FLUSH_RECORDS 20000
#define PAUSE_FIRST 0.2
#define PAUSE_MOST 30.0

struct cursor {
	int64_t next;    /* to write */
	int64_t flushed; /* in for good */
	int64_t letters; /* dead letters below it are committed */
	struct fl_segment *segment;
	size_t at;
	int64_t at_offset;
};

struct fl_sink {
	pthread_t thread;
	int started;
	struct fl_app *app;
	struct fl_flow *flow;
	struct fl_line *line;
	struct fl_instance *instance; /* NULL: it is being opened */
	struct fl_reader *reader;
	struct fl_output out; /* dead letters */
	struct fl_mailbox box;
	struct cursor *cursor; /* [partition] */
	uint32_t parts, unflushed;
	int placed; /* the cursors stand where the instance says */
	int missed; /* it slept for a commit of its own: see struct fl_lane */
	double first, pause;
	_Atomic int idle;
};

static void rewind_cursors(struct fl_sink *s)
{
	for (uint32_t k = 0; k < s->parts; k++) {
		struct cursor *c = &s->cursor[k];
		fl_segment_unref(c->segment);
		c->segment = NULL;
		c->next = c->flushed;
	}
	s->unflushed = 0;
	s->first = 0;
	fl_output_drop(&s->out);
}

/* Another instance: it is asked where it stands. */
static void another(void *arg)
{
	struct fl_sink *s = arg;
	s->placed = 0;
}

struct fl_sink *fl_sink_new(struct fl_app *app, struct fl_flow *flow, char *err)
{
	struct fl_sink *s = fl_alloc(sizeof *s);
	s->app = app;
	s->flow = flow;
	s->parts = app->plan->stream[flow->is->from].partitions;
	s->cursor = fl_alloc(s->parts * sizeof *s->cursor);
	fl_output_open(&s->out, app->plan, NULL);
	if (!(s->line = fl_line_new(flow, err)) || !(s->reader = app->streams->ops->reader(app->streams, err))) {
		fl_sink_free(s);
		return NULL;
	}
	fl_mailbox_init(&s->box, app->streams, s->reader);
	s->box.line = &s->line;
	s->box.lines = 1;
	s->box.instance = &s->instance;
	s->box.taken = another;
	s->box.arg = s;
	return s;
}

struct fl_mailbox *fl_sink_box(struct fl_sink *s) { return &s->box; }

/* ---- positions ------------------------------------------------------------------------------------------------- */

/* 1: the plugin could keep this position, and has none yet. */
static int find_position(struct fl_sink *s, uint32_t part, char *err)
{
	struct fl_streams *st = s->app->streams;
	uint32_t from = s->flow->is->from, stream = (uint32_t)s->app->stream_of[from];
	struct cursor *c = &s->cursor[part];
	const char *name = s->app->plan->stream[from].name;
	struct fl_position own = {name, part, -1};
	int64_t first, end;
	if (fl_instance_position(s->instance, &own, err) < 0)
		return -1;
	int64_t host = st->ops->position(st, s->flow->is->name, stream, part, err);
	if (host < -1 || st->ops->bounds(st, stream, part, &first, &end, err) < 0)
		return -1;
	if (own.next > end)
		return fl_err(err, "the sink stands at offset %lld of %s[%u], which ends at %lld: it was written from another data "
			      "directory; use another table or file, or that directory", (long long)own.next, name, part, (long long)end);
	c->letters = host;
	c->flushed = own.next >= 0 ? own.next : host >= 0 ? host : s->flow->is->newest ? end : first;
	return s->instance->plugin->position && own.next < 0;
}

static int find_positions(struct fl_sink *s, char *err)
{
	struct fl_position *begin = fl_alloc(s->parts * sizeof *begin);
	uint32_t n = 0;
	int rc = 0;
	for (uint32_t k = 0; k < s->parts && rc >= 0; k++)
		if ((rc = find_position(s, k, err)) > 0)
			begin[n++] = (struct fl_position){s->app->plan->stream[s->flow->is->from].name, k, s->cursor[k].flushed};
	if (rc >= 0 && n)
		rc = fl_instance_flush(s->instance, begin, n, err);
	free(begin);
	return rc < 0 ? -1 : 0;
}

static int open_plugin(struct fl_sink *s, char *err)
{
	if (!s->instance)
		s->instance = fl_line_instance(s->flow, 0, s->line->module[0], err);
	if (!s->instance || find_positions(s, err) < 0)
		return -1;
	rewind_cursors(s);
	for (uint32_t k = 0; k < s->parts; k++)
		atomic_store(&s->flow->done[k], s->cursor[k].flushed);
	s->placed = 1;
	return 0;
}

/* Dead letters and the host's positions, committed and waited for. */
static void commit_host(struct fl_sink *s)
{
	struct fl_txn *txn = fl_alloc(sizeof *txn);
	txn->append = fl_alloc((fl_output_parts(&s->out) + 1) * sizeof *txn->append);
	txn->position = fl_alloc(s->parts * sizeof *txn->position);
	fl_output_take(&s->out, txn, s->app->stream_of);
	for (uint32_t k = 0; k < s->parts; k++)
		if (s->cursor[k].next != s->cursor[k].letters) {
			s->cursor[k].letters = s->cursor[k].next;
			txn->position[txn->positions++] = (struct fl_reader_position){
				s->flow->is->name, (uint32_t)s->app->stream_of[s->flow->is->from], k, s->cursor[k].next};
		}
	if (txn->appends || txn->positions) {
		struct fl_streams *st = s->app->streams;
		st->ops->commit(st, txn);
		while (!atomic_load_explicit(&txn->done, memory_order_acquire))
			st->ops->wait(s->reader, 1);
		s->missed = 1;
	}
	fl_txn_free(txn);
}

static int flush(struct fl_sink *s, char *err)
{
	struct fl_position *pos = fl_alloc(s->parts * sizeof *pos);
	uint32_t n = 0;
	int own = s->instance->plugin->position != NULL;
	for (uint32_t k = 0; k < s->parts; k++)
		if (s->cursor[k].next != s->cursor[k].flushed)
			pos[n++] = (struct fl_position){s->app->plan->stream[s->flow->is->from].name, k, s->cursor[k].next};
	if (own) {
		/* What leaves for a place with a memory of its own must not be lost here by a power cut. */
		commit_host(s);
		if (n && s->app->streams->ops->sync(s->app->streams, err) < 0) {
			free(pos);
			return -1;
		}
	}
	int rc = n ? fl_instance_flush(s->instance, pos, n, err) : 0;
	free(pos);
	if (rc < 0)
		return -1;
	if (!own)
		commit_host(s);
	for (uint32_t k = 0; k < s->parts; k++) {
		s->cursor[k].flushed = s->cursor[k].next;
		atomic_store_explicit(&s->flow->done[k], s->cursor[k].next, memory_order_relaxed);
	}
	s->unflushed = 0;
	s->first = 0;
	s->pause = 0;
	return 0;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static int stopping(struct fl_sink *s) { return atomic_load_explicit(&s->app->stop, memory_order_relaxed); }

static void sleep_for(struct fl_sink *s, double seconds, enum fl_waits why)
{
	double until = fl_monotonic() + seconds;
	atomic_store(&s->flow->waits, why);
	for (double now = fl_monotonic(); now < until && !stopping(s); now = fl_monotonic())
		s->app->streams->ops->wait(s->reader, until - now);
	atomic_store(&s->flow->waits, FL_WAITS_NOT);
}

static void back_off(struct fl_sink *s, uint64_t seed)
{
	s->pause = s->pause == 0 ? PAUSE_FIRST : s->pause * 2 < PAUSE_MOST ? s->pause * 2 : PAUSE_MOST;
	double jitter = 0.75 + (double)(seed * 0x9E3779B97F4A7C15u >> 40) / (double)(1u << 25); /* 0.75 to 1.25 */
	sleep_for(s, s->pause * jitter, FL_WAITS_RETRY);
}

/* Writes the batch until no event wants to be tried again. Those that are in already are hidden meanwhile. */
static int write_all(struct fl_sink *s, struct fl_events *ev, char *err)
{
	uint8_t final[FL_BATCH_MAX];
	memcpy(final, ev->b.outcome, ev->b.n);
	for (;;) {
		if (fl_instance_write(s->instance, ev, err) < 0)
			return -1;
		uint32_t again = 0;
		for (uint32_t i = 0; i < ev->b.n; i++) {
			if (ev->b.outcome[i] == FL_RETRY) {
				ev->b.outcome[i] = FL_PASS;
				again++;
			} else {
				if (final[i] == FL_PASS)
					final[i] = ev->b.outcome[i];
				ev->b.outcome[i] = FL_DROP;
			}
		}
		if (!again)
			break;
		if (stopping(s))
			return fl_err(err, "stopped while %u records waited to be written again", again);
		back_off(s, (uint64_t)ev->b.offset[0]);
	}
	memcpy(ev->b.outcome, final, ev->b.n);
	return 0;
}

static void letters(struct fl_sink *s, struct fl_events *ev, int64_t known)
{
	uint32_t dead = 0;
	for (uint32_t k = 0; k < ev->whys; k++) {
		const struct fl_why *why = &ev->why[k];
		if (ev->b.outcome[why->i] != FL_REJECT)
			continue;
		dead++;
		if (ev->b.offset[why->i] >= known)
			fl_dead_letter(s->flow, ev, why, &s->out);
	}
	fl_metric_add(s->flow->in, ev->b.n);
	fl_metric_add(s->flow->out, ev->b.n - dead);
}

/* The segment at the cursor, or behind what retention took. */
static int read_next(struct fl_sink *s, struct cursor *c, uint32_t part, char *err)
{
	const struct fl_streams_ops *ops = s->app->streams->ops;
	uint32_t stream = (uint32_t)s->app->stream_of[s->flow->is->from];
	int64_t end = ops->end(s->app->streams, stream, part);
	int rc = ops->read(s->reader, stream, part, c->next, &c->segment, err);
	if (rc > 0 ? c->segment->base > c->next : rc == 0 && end > c->next) {
		c->next = fl_app_skip(s->app, s->flow, part, c->next);
		atomic_store(&s->flow->done[part], c->next);
	}
	return rc;
}

/* One batch of one partition. 1: there was one, 0: nothing there, -1: failed. */
static int step(struct fl_sink *s, uint32_t part, char *err)
{
	struct cursor *c = &s->cursor[part];
	const struct fl_plan_flow *is = s->flow->is;
	if (!c->segment) {
		int rc = read_next(s, c, part, err);
		if (rc <= 0)
			return rc;
		c->at = 0;
		c->at_offset = c->segment->base;
	}
	struct fl_events *ev = s->line->ev[0];
	struct fl_record r;
	int rc = 1;
	fl_events_begin(ev, s->app->plan->stream[is->from].name, part, fl_now());
	while (ev->b.n < ev->capacity && (rc = fl_segment_next(c->segment, &c->at, &r)) > 0) {
		if (c->at_offset >= c->next)
			fl_events_add(ev, c->at_offset, r.time, r.key, r.value, r.headers);
		c->at_offset++;
	}
	if (rc < 0)
		return fl_err(err, "the records from offset %lld on of %s[%u] are damaged", (long long)c->at_offset,
			      s->app->plan->stream[is->from].name, part);
	fl_events_decode(ev);
	fl_line_load(s->line, ev);
	if (write_all(s, ev, err) < 0)
		return -1;
	letters(s, ev, c->letters);
	c->next = c->at_offset;
	s->unflushed += ev->b.n;
	if (s->first == 0)
		s->first = fl_monotonic();
	if (rc == 0) {
		fl_segment_unref(c->segment);
		c->segment = NULL;
	}
	return 1;
}

static int round_of(struct fl_sink *s, char *err)
{
	int any = 0;
	for (uint32_t k = 0; k < s->parts; k++) {
		int rc = step(s, k, err);
		if (rc < 0)
			return -1;
		any |= rc;
	}
	if (s->unflushed && (!any || s->unflushed >= FLUSH_RECORDS || fl_monotonic() - s->first >= FLUSH_SECONDS))
		if (flush(s, err) < 0)
			return -1;
	return any;
}

static void failed(struct fl_sink *s, const char *err)
{
	/* What it holds is part of a batch: a flush at the end would count that in, and give it again after the next start. */
	fl_instance_close(s->instance);
	s->instance = NULL;
	s->placed = 0;
	if (stopping(s)) {
		fl_log(FL_WARN, s->flow->who, "%s; it goes on from its last flush after the next start", err);
		return;
	}
	fl_log(FL_ERROR, s->flow->who, "%s; it is tried again, and nothing is lost", err);
	fl_metric_add(s->app->failures, 1);
	back_off(s, (uint64_t)s->cursor[0].next);
}

/* Between two flushes; what the old one was given is in before another takes its place. */
static int take_reload(struct fl_sink *s, char *err)
{
	if (!atomic_load_explicit(&s->box.full, memory_order_relaxed))
		return 0;
	if (s->placed && s->unflushed && flush(s, err) < 0)
		return -1;
	fl_mailbox_take(&s->box);
	return 0;
}

static void rest(struct fl_sink *s)
{
	if (s->missed)
		return;
	atomic_store(&s->idle, 1);
	atomic_store(&s->flow->waits, FL_WAITS_INPUT);
	s->app->streams->ops->wait(s->reader, 1);
	atomic_store(&s->flow->waits, FL_WAITS_NOT);
	atomic_store(&s->idle, 0);
}

static void *run(void *arg)
{
	struct fl_sink *s = arg;
	char err[FL_ERRLEN];
	while (!stopping(s)) {
		s->missed = 0;
		int rc = take_reload(s, err);
		if (rc == 0 && !s->placed)
			rc = open_plugin(s, err);
		if (rc == 0)
			rc = round_of(s, err);
		if (rc < 0)
			failed(s, err);
		else if (rc == 0)
			rest(s);
	}
	if (s->placed && s->unflushed && flush(s, err) < 0)
		fl_log(FL_ERROR, s->flow->who, "%s; what it has not written yet it writes after the next start", err);
	return NULL;
}

int fl_sink_idle(struct fl_sink *s) { return atomic_load(&s->idle); }

void fl_sink_start(struct fl_sink *s)
{
	FL_ASSERT(pthread_create(&s->thread, NULL, run, s) == 0);
	pthread_setname_np(s->thread, "sink");
	s->started = 1;
}

void fl_sink_join(struct fl_sink *s)
{
	if (s->started)
		pthread_join(s->thread, NULL);
	s->started = 0;
}

void fl_sink_free(struct fl_sink *s)
{
	if (!s)
		return;
	if (s->box.streams)
		fl_mailbox_close(&s->box);
	for (uint32_t k = 0; k < s->parts; k++)
		fl_segment_unref(s->cursor[k].segment);
	fl_instance_close(s->instance);
	if (s->reader)
		s->app->streams->ops->reader_close(s->reader);
	fl_output_close(&s->out);
	fl_line_free(s->line);
	free(s->cursor);
	free(s);
}
