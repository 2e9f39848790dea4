/* Takes batches through the stages of a flow. Called by worker.c, source.c and pipe.c on the line's thread; opening a
 * script or an instance may happen on the watch thread. */
#include "line.h"

#include <stdlib.h>

#include "../base/log.h"
#include "dead.h"

/* ---- events on their way --------------------------------------------------------------------------------------- */

void fl_line_load(struct fl_line *line, struct fl_events *ev)
{
	uint32_t from = line->flow->is->from;
	const struct fl_plan_stream *s = &line->flow->plan->stream[from];
	if (s->key)
		for (uint32_t i = 0; i < ev->b.n; i++)
			if (!ev->b.key[i].p && ev->b.outcome[i] == FL_PASS)
				ev->b.key[i] = fl_events_key(ev, line->flow->key[from], i);
	if (s->time.field)
		fl_time_of_events(ev, &s->time, line->flow->time[from]);
}

/* The same for a record that a stage made: it need not have the input's fields, and keeps the time of what it was made
 * from. */
static void load_made(struct fl_line *line, struct fl_events *ev, uint32_t i)
{
	uint32_t from = line->flow->is->from;
	const struct fl_plan_stream *s = &line->flow->plan->stream[from];
	if (ev->b.outcome[i] != FL_PASS)
		return;
	if (s->key && !ev->b.key[i].p)
		ev->b.key[i] = fl_events_key(ev, line->flow->key[from], i);
	if (s->time.field)
		fl_time_of_cell(ev, &s->time, line->flow->time[from], i, &ev->b.time[i]);
}

/* Key and time of a record are those of its stream's fields, which may be others than the input's, or changed. */
static void key_and_time(struct fl_line *line, struct fl_events *ev, uint32_t i, uint32_t to, struct fl_record *r)
{
	const struct fl_plan_stream *s = &line->flow->plan->stream[to];
	uint32_t key = line->flow->key[to], time = line->flow->time[to];
	if (ev->b.route[i]) { /* to any stream, whose fields nobody may have asked for yet */
		key = s->key ? fl_events_column(ev, fl_str(s->key)) : FL_NO_FIELD;
		time = s->time.field ? fl_events_column(ev, fl_str(s->time.field)) : FL_NO_FIELD;
	}
	if (s->key && r->value.p)
		r->key = fl_events_key(ev, key, i);
	if (s->time.field)
		fl_time_of_cell(ev, &s->time, time, i, &r->time);
}

/* One that the stream's codec can't say is rejected. */
static void write_event(struct fl_line *line, struct fl_events *ev, uint32_t i, struct fl_output *out)
{
	struct fl_flow *f = line->flow;
	uint32_t to = ev->b.route[i] ? ev->b.route[i] - 1u : f->is->to;
	const struct fl_plan_stream *s = &f->plan->stream[to];
	struct fl_record r = {ev->b.time[i], ev->b.key[i], ev->b.headers[i], ev->b.value[i]};
	if (!fl_output_only_values(out))
		key_and_time(line, ev, i, to, &r);
	struct fl_out_mark m;
	char err[FL_ERRLEN];
	fl_output_from(out, ev, i);
	struct fl_buf *b = fl_output_begin(out, &m, to, &r);
	if (fl_events_encode(ev, i, s->codec, b, err) == 0) {
		fl_output_end(out, &m);
		return;
	}
	fl_output_cancel(out, &m);
	fl_events_reject(ev, i, s->name, (struct fl_str){0}, fl_str(err));
}

static int by_place(const void *a, const void *b)
{
	const struct fl_emitted *x = a, *y = b;
	if (x->before != y->before)
		return x->before < y->before ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* The event that it was made from. */
static uint32_t origin(const struct fl_emitted *e) { return e->before ? e->before - 1 : 0; }

/* Records that stages sent to streams: from the k-th on those of events up to i. Returns the next k. */
static uint32_t write_emitted(struct fl_events *ev, uint32_t k, uint32_t i, struct fl_output *out)
{
	for (; k < ev->emits && origin(&ev->emitted[k]) <= i; k++) {
		const struct fl_emitted *e = &ev->emitted[k];
		if (e->stream == FL_NO_STREAM)
			continue;
		fl_output_from(out, ev, origin(e));
		fl_output_raw(out, e->stream, (struct fl_record){e->time, e->key, e->headers, e->value});
	}
	return k;
}

static void sort_emitted(struct fl_events *ev)
{
	int sorted = 1;
	for (uint32_t k = 0; k < ev->emits; k++) {
		ev->emitted[k].seq = k;
		sorted &= !k || ev->emitted[k - 1].before <= ev->emitted[k].before;
	}
	if (!sorted)
		qsort(ev->emitted, ev->emits, sizeof *ev->emitted, by_place);
}

/* Event i, which does not pass; what was said of it stands in why[d] to why[n - 1] if it was. Returns the next d. */
static uint32_t settle(struct fl_line *line, struct fl_events *ev, uint32_t i, uint32_t d, uint32_t n, struct fl_output *out)
{
	while (d < n && ev->why[d].i < i)
		d++;
	const struct fl_why silent = {.i = i};
	fl_dead_settle(line, ev, d < n && ev->why[d].i == i ? &ev->why[d] : &silent, out);
	return d;
}

/* Event by event, so that the order in no stream depends on where the batch began and ends. */
static void finish(struct fl_line *line, struct fl_events *ev, struct fl_output *out)
{
	uint32_t passed = 0, k = 0, d = 0, whys = ev->whys;
	sort_emitted(ev);
	fl_dead_sort(ev);
	for (uint32_t i = 0; i < ev->b.n; i++) {
		k = write_emitted(ev, k, i, out);
		if (ev->b.outcome[i] != FL_PASS) {
			d = settle(line, ev, i, d, whys, out);
			continue;
		}
		write_event(line, ev, i, out);
		if (ev->b.outcome[i] == FL_PASS)
			passed++;
		else
			fl_dead_settle(line, ev, &ev->why[ev->whys - 1], out);
	}
	fl_metric_add(line->flow->out, passed);
}

/* ---- stages ---------------------------------------------------------------------------------------------------- */

static int run_from(struct fl_line *line, struct fl_task *t, uint32_t level, uint32_t from, struct fl_output *out, char *err);

/* A stage emitted events: they and the ones that pass become the batches of the next level, and run on from there. */
struct piece {
	uint64_t at;
	uint32_t len, i, place;
	struct fl_str key, headers;
	double time;
	uint16_t route;
	struct fl_str original;
	uint8_t made, none; /* by a stage: then it is its own original; a tombstone */
};

static uint32_t collect_pieces(struct fl_line *line, struct fl_events *ev, struct fl_buf *bytes, struct piece *piece, struct fl_output *out)
{
	uint32_t n = 0, k = 0;
	for (uint32_t i = 0; i <= ev->b.n; i++) {
		for (; k < ev->emits && ev->emitted[k].before <= i; k++) {
			const struct fl_emitted *e = &ev->emitted[k];
			if (e->stream != FL_NO_STREAM)
				continue;
			piece[n++] = (struct piece){bytes->len, e->value.len, origin(e), 0, e->key, e->headers, e->time, 0, {0}, 1, !e->value.p};
			fl_buf_add(bytes, e->value.p, e->value.len);
		}
		if (i == ev->b.n || ev->b.outcome[i] != FL_PASS)
			continue;
		char err[FL_ERRLEN];
		size_t at = bytes->len;
		if (fl_events_encode(ev, i, ev->codec, bytes, err) < 0) {
			bytes->len = at;
			fl_events_reject(ev, i, "encode", (struct fl_str){0}, fl_str(err));
			continue;
		}
		piece[n++] = (struct piece){at, (uint32_t)(bytes->len - at), i, 0, ev->b.key[i], ev->b.headers[i], ev->b.time[i],
			ev->b.route[i], ev->original ? ev->original[i] : ev->b.value[i], 0, bytes->len == at && !ev->b.value[i].p};
	}
	for (uint32_t p = 0; p < n; p++)
		piece[p].place = fl_order_add(&line->order, line->order.first + piece[p].i);
	fl_buf_room(bytes, FL_PAD);
	write_emitted(ev, 0, ev->b.n, out);
	fl_dead_sort(ev);
	for (uint32_t i = 0, d = 0; i < ev->b.n; i++)
		if (ev->b.outcome[i] != FL_PASS)
			d = settle(line, ev, i, d, ev->whys, out);
	return n;
}

static int run_pieces(struct fl_line *line, struct fl_task *t, uint32_t level, uint32_t from, struct fl_output *out, char *err)
{
	struct fl_events *ev = line->ev[level], *next;
	const struct fl_plan_stream *s = &line->flow->plan->stream[line->flow->is->from];
	if (!line->ev[level + 1]) {
		line->ev[level + 1] = fl_events_new(line->flow->fields, s->codec, s->limits, 0);
		line->original[level + 1] = fl_alloc(line->ev[level + 1]->capacity * sizeof(struct fl_str));
	}
	next = line->ev[level + 1];
	struct fl_buf *bytes = &line->regroup[level + 1];
	bytes->len = 0;
	sort_emitted(ev);
	struct piece *piece = fl_alloc((ev->b.n + ev->emits + 1) * sizeof *piece);
	uint32_t n = collect_pieces(line, ev, bytes, piece, out);
	int rc = 0;
	for (uint32_t k = 0; k < n && rc == 0;) {
		fl_events_begin(next, ev->b.stream, ev->b.partition, ev->b.now);
		const struct piece *first = &piece[k];
		line->order.first = first->place;
		next->original = line->original[level + 1];
		for (; k < n && next->b.n < next->capacity; k++) {
			const struct piece *p = &piece[k];
			int64_t offset = ev->b.n ? ev->b.offset[p->i] : 0;
			fl_events_add(next, offset, p->time, p->key, (struct fl_str){p->none ? NULL : bytes->p + p->at, p->len}, p->headers);
			next->b.route[next->b.n - 1] = p->route;
			next->original[next->b.n - 1] = p->made ? next->b.value[next->b.n - 1] : p->original;
		}
		fl_events_decode(next);
		for (uint32_t i = 0; i < next->b.n; i++)
			if (first[i].made)
				load_made(line, next, i);
		rc = run_from(line, t, level + 1, from, out, err);
	}
	free(piece);
	return rc;
}

/* The same from the batch that was read on. */
static int run_ordered(struct fl_line *line, struct fl_task *t, uint32_t from, struct fl_output *out, char *err)
{
	fl_order_begin(&line->order, line->ev[0]->b.n ? line->ev[0]->b.n : 1);
	fl_output_hold(out, &line->order);
	int rc = run_pieces(line, t, 0, from, out, err);
	if (rc < 0)
		fl_output_hold(out, NULL);
	else
		fl_output_release(out);
	return rc;
}

static int has_emits(const struct fl_events *ev)
{
	for (uint32_t k = 0; k < ev->emits; k++)
		if (ev->emitted[k].stream == FL_NO_STREAM)
			return 1;
	return 0;
}

static int run_stage(struct fl_task *t, uint32_t k, struct fl_events *ev, char *err)
{
	struct fl_task_stage *st = &t->stage[k];
	if (st->instance)
		return fl_instance_process(st->instance, ev, err);
	return fl_script_process(st->script, ev, err);
}

/* A record whose script took its Lua state down is met again after the restart, and rejected this time. */
static void keep_poison(struct fl_task *t, struct fl_events *ev, const char *stage)
{
	for (uint32_t k = 0; k < ev->whys; k++) {
		const struct fl_why *w = &ev->why[k];
		if (ev->b.outcome[w->i] != FL_REJECT || strcmp(w->stage, stage) != 0)
			continue;
		t->poison = fl_realloc(t->poison, (t->poisons + 1) * sizeof *t->poison);
		t->poison[t->poisons++] = (struct fl_poison){ev->b.offset[w->i], fl_strdup(w->stage),
			fl_printf("%.*s", (int)w->at.len, w->at.p), fl_printf("%.*s", (int)w->text.len, w->text.p)};
	}
}

static void poison_free(struct fl_poison *p)
{
	free(p->stage);
	free(p->at);
	free(p->text);
}

void fl_task_forget(struct fl_task *t, int64_t next)
{
	uint32_t left = 0;
	for (uint32_t k = 0; k < t->poisons; k++)
		if (t->poison[k].offset < next)
			poison_free(&t->poison[k]);
		else
			t->poison[left++] = t->poison[k];
	t->poisons = left;
}

static void reject_poison(struct fl_task *t, struct fl_events *ev, const char *stage)
{
	for (uint32_t k = 0; k < t->poisons; k++) {
		const struct fl_poison *p = &t->poison[k];
		for (uint32_t i = 0; i < ev->b.n; i++)
			if (ev->b.offset[i] == p->offset && strcmp(stage, p->stage) == 0)
				fl_events_reject(ev, i, stage, fl_str(p->at), fl_str(p->text));
	}
}

static int run_from(struct fl_line *line, struct fl_task *t, uint32_t level, uint32_t from, struct fl_output *out, char *err)
{
	struct fl_events *ev = line->ev[level];
	for (uint32_t k = from; k < line->flow->is->stages; k++) {
		const char *name = line->flow->is->stage[k].name;
		if (t->poisons)
			reject_poison(t, ev, name);
		if (run_stage(t, k, ev, err) < 0) {
			keep_poison(t, ev, name);
			return -1;
		}
		if (ev->emits && has_emits(ev))
			return level ? run_pieces(line, t, level, k + 1, out, err) : run_ordered(line, t, k + 1, out, err);
	}
	finish(line, ev, out);
	return 0;
}

/* Reading a value can't fail in the stages' eyes: whether one did is asked before anything that came of it is committed. */
static int check_state(const struct fl_task *t, char *err)
{
	const char *failed = fl_state_failed(t->state);
	return failed ? fl_err(err, "%s", failed) : 0;
}

int fl_task_splits(const struct fl_task *t, const struct fl_events *ev, double time)
{
	return ev->b.n && time > ev->b.time[0] && fl_state_expires(t->state);
}

int fl_line_run(struct fl_line *line, struct fl_task *t, struct fl_output *out, char *err)
{
	struct fl_events *ev = line->ev[0];
	fl_metric_add(line->flow->in, ev->b.n);
	double newest = 0;
	for (uint32_t i = 0; i < ev->b.n; i++)
		newest = ev->b.time[i] > newest ? ev->b.time[i] : newest;
	fl_state_time(t->state, newest);
	return run_from(line, t, 0, 0, out, err) < 0 ? -1 : check_state(t, err);
}

int fl_task_ticks(const struct fl_task *t)
{
	for (uint32_t k = 0; k < t->line->flow->is->stages; k++) {
		const struct fl_task_stage *st = &t->stage[k];
		if (st->instance ? st->instance->plugin->tick != NULL : (fl_script_has(t->line->script[k]) & FL_HAS_TICK) != 0)
			return 1;
	}
	return 0;
}

int fl_line_tick(struct fl_line *line, struct fl_task *t, struct fl_output *out, double now, char *err)
{
	struct fl_events *ev = line->ev[0];
	const struct fl_plan_stream *s = &line->flow->plan->stream[line->flow->is->from];
	for (uint32_t k = 0; k < line->flow->is->stages; k++) {
		struct fl_task_stage *st = &t->stage[k];
		fl_events_begin(ev, s->name, t->partition, now);
		if (st->instance && st->instance->plugin->tick) {
			if (fl_instance_tick(st->instance, ev, now, err) < 0)
				return -1;
		} else if (st->script && (fl_script_has(line->script[k]) & FL_HAS_TICK)) {
			if (fl_script_tick(st->script, ev, now, err) < 0)
				fl_log(FL_ERROR, line->flow->who, "%s", err);
		}
		if (ev->emits && run_ordered(line, t, k + 1, out, err) < 0)
			return -1;
	}
	return check_state(t, err);
}

int fl_task_flush(struct fl_task *t, char *err)
{
	for (uint32_t k = 0; k < t->line->flow->is->stages; k++) {
		if (t->stage[k].instance)
			fl_instance_settle(t->stage[k].instance);
		int rc = t->stage[k].script ? fl_script_flush(t->stage[k].script, err) : 0;
		if (rc < 0)
			return -1;
		if (rc > 0)
			fl_log(FL_ERROR, t->line->flow->who, "%s", err);
	}
	return 0;
}
