/* Lines in, lines out, on the main thread. Called by cli/pipe.c. */
#include "pipe.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/clock.h"

#define BLOCK ((size_t)256 << 10)
#define TICKS_MOST 1000000.0 /* seconds that a record's clock may jump and still be ticked through */

struct pipe_run {
	const struct fl_pipe_conf *conf;
	struct fl_flow *flow;
	struct fl_line *line;
	struct fl_task task;
	struct fl_output out;
	struct fl_printer printer;
	struct fl_buf in;       /* what was read; the lines of a batch lie in it */
	size_t start;           /* of the first byte that is in no batch yet */
	size_t most;            /* bytes of a record; a longer line is cut to one byte more, which the decoder refuses */
	int ended, cut;
	int64_t offset;
	int ticks;
	double ticked;          /* the last second that was ticked; NaN: none yet */
};

static int flush_out(struct pipe_run *p, char *err)
{
	struct fl_buf *b = &p->printer.buf;
	for (size_t at = 0; at < b->len;) {
		ssize_t n = write(p->conf->out, b->p + at, b->len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fl_err(err, "writing the output: %s", strerror(errno));
		at += (size_t)n;
	}
	b->len = 0;
	return 0;
}

/* More input behind what is there. 0 at its end. */
static int refill(struct pipe_run *p, char *err)
{
	memmove(p->in.p, p->in.p + p->start, p->in.len - p->start);
	p->in.len -= p->start;
	p->start = 0;
	fl_buf_room(&p->in, BLOCK + FL_PAD);
	ssize_t n;
	do
		n = read(p->conf->in, p->in.p + p->in.len, BLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fl_err(err, "reading the input: %s", strerror(errno));
	p->in.len += (size_t)n;
	p->ended = n == 0;
	return 0;
}

/* The next whole line in the buffer; 0: there is none yet. */
static int next_line(struct pipe_run *p, struct fl_str *line)
{
	const char *at = p->in.p + p->start, *end = p->in.p + p->in.len;
	const char *nl = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
	size_t len = (size_t)((nl ? nl : end) - at);
	if (p->cut) { /* the rest of a line that was too long */
		p->start += len + (nl != NULL);
		p->cut = !nl;
		return nl ? next_line(p, line) : 0;
	}
	if (!nl && len <= p->most && !(p->ended && len))
		return 0;
	p->cut = !nl && len > p->most;
	*line = (struct fl_str){at, (uint32_t)(len > p->most ? p->most + 1 : len)};
	p->start += len + (nl != NULL);
	return 1;
}

static int tick(struct pipe_run *p, double second, char *err)
{
	p->ticked = second;
	return fl_line_tick(p->line, &p->task, &p->out, second, err);
}

/* Ticks of every second that the clock has passed since the last one. */
static int ticks(struct pipe_run *p, double now, char *err)
{
	double second = floor(now);
	if (isnan(p->ticked))
		p->ticked = second;
	if (second - p->ticked > TICKS_MOST)
		return tick(p, second, err);
	while (p->ticked < second)
		if (tick(p, p->ticked + 1, err) < 0)
			return -1;
	return 0;
}

static int fill(struct pipe_run *p, struct fl_events *ev, double now)
{
	/* With the records' clock every event may have ticks before it; and see fl_task_splits, times being known later here. */
	uint32_t most = (p->ticks && p->conf->record_now) || fl_state_expires(p->task.state) ? 1 : ev->capacity;
	struct fl_str line;
	fl_events_begin(ev, p->conf->plan->stream[p->flow->is->from].name, 0, p->conf->record_now ? (double)NAN : now);
	while (ev->b.n < most && next_line(p, &line)) {
		if (line.len)
			fl_events_add(ev, p->offset, now, (struct fl_str){0}, line, (struct fl_str){0});
		p->offset++;
	}
	return ev->b.n > 0;
}

/* One batch and what is due by the clock before it. */
static int step(struct pipe_run *p, char *err)
{
	struct fl_events *ev = p->line->ev[0];
	double now = fl_now();
	if (p->ticks && !p->conf->record_now && ticks(p, now, err) < 0)
		return -1;
	if (!fill(p, ev, now))
		return 0;
	fl_events_decode(ev);
	fl_line_load(p->line, ev);
	if (p->ticks && p->conf->record_now) {
		double t = ev->b.time[0];
		/* The ticks use the batch; the record is put in again behind them. */
		struct fl_str value = ev->b.value[0];
		int64_t offset = ev->b.offset[0];
		if (isfinite(t) && (isnan(p->ticked) || floor(t) > p->ticked)) {
			if (ticks(p, t, err) < 0)
				return -1;
			fl_events_begin(ev, p->conf->plan->stream[p->flow->is->from].name, 0, (double)NAN);
			fl_events_add(ev, offset, now, (struct fl_str){0}, value, (struct fl_str){0});
			fl_events_decode(ev);
			fl_line_load(p->line, ev);
		}
	}
	return fl_line_run(p->line, &p->task, &p->out, err) < 0 ? -1 : 1;
}

/* Nothing is committed here, but values that scripts put must not pile up, nor the overlay pass its limit. */
static int keep_small(struct pipe_run *p, char *err)
{
	if (!fl_state_due(p->task.state))
		return 0;
	if (fl_task_flush(&p->task, err) < 0)
		return -1;
	struct fl_store *store[FL_COLUMNS_MAX];
	int64_t none[FL_COLUMNS_MAX] = {0};
	fl_state_stores(p->task.state, store, FL_COLUMNS_MAX);
	struct fl_snapshot *sn = fl_state_snapshot(p->task.state, none);
	if (!sn)
		return 0;
	int rc = fl_snapshot_write(sn, err);
	fl_state_settled(p->task.state, sn, rc == 0);
	return rc;
}

static int loop(struct pipe_run *p, char *err)
{
	for (;;) {
		int rc = step(p, err);
		if (rc < 0)
			return -1;
		if (keep_small(p, err) < 0)
			return -1;
		if (p->printer.buf.len >= BLOCK && flush_out(p, err) < 0)
			return -1;
		if (rc > 0)
			continue;
		if (p->ended)
			return flush_out(p, err);
		if (flush_out(p, err) < 0 || refill(p, err) < 0)
			return -1;
	}
}

int fl_pipe_run(const struct fl_pipe_conf *conf, struct fl_pipe_counts *counts, char *err)
{
	struct pipe_run p = {.conf = conf, .ticked = NAN};
	const struct fl_plan *plan = conf->plan;
	/* One task here has the keys of all partitions. */
	size_t overlay = FL_STATE_OVERLAY * plan->stream[conf->flow->from].partitions;
	struct fl_state_conf sc = {.who = conf->flow->name, .overlay = overlay};
	uint32_t limit = plan->stream[conf->flow->from].limits.record;
	int rc = -1;
	p.most = limit ? limit : (size_t)1 << 20;
	p.printer = (struct fl_printer){.to = conf->flow->to, .streams = conf->streams};
	fl_output_open(&p.out, plan, &p.printer);
	p.flow = fl_flow_new(plan, conf->flow, ".");
	struct fl_state *state = fl_state_open(&sc, err);
	if (!state || !(p.line = fl_line_new(p.flow, err)) || fl_task_open(&p.task, p.line, 0, state, err) < 0)
		goto out;
	p.ticks = fl_task_ticks(&p.task);
	fl_buf_room(&p.in, BLOCK + FL_PAD);
	rc = loop(&p, err);
	*counts = (struct fl_pipe_counts){fl_metric_read(p.flow->in), fl_metric_read(p.flow->out), fl_metric_read(p.flow->late), fl_metric_read(p.flow->dead)};
out:
	if (p.task.stage)
		fl_task_close(&p.task);
	if (state)
		fl_state_close(state);
	fl_line_free(p.line);
	fl_output_close(&p.out);
	fl_flow_free(p.flow);
	fl_buf_free(&p.in);
	fl_buf_free(&p.printer.buf);
	fl_buf_free(&p.printer.waste);
	return rc;
}
