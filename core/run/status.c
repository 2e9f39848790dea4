/* The line at the bottom of the terminal. Called by cli/run.c once a second. */
#include "status.h"

#include <stdlib.h>

#include "../base/clock.h"
#include "../base/log.h"

struct fl_status {
	struct fl_app **app;
	uint32_t apps;
	uint64_t *was; /* events in of each flow, in order, at the last look */
	double at;
};

static uint32_t flows_of(struct fl_app **app, uint32_t apps)
{
	uint32_t n = 0;
	for (uint32_t k = 0; k < apps; k++)
		n += app[k]->plan->flows;
	return n;
}

struct fl_status *fl_status_new(struct fl_app **app, uint32_t apps)
{
	struct fl_status *st = fl_alloc(sizeof *st);
	st->app = app;
	st->apps = apps;
	st->was = fl_alloc((flows_of(app, apps) + 1) * sizeof *st->was);
	st->at = fl_monotonic();
	return st;
}

static const char *wait_text(int waits)
{
	switch (waits) {
	case FL_WAITS_COMMIT: return " waits for the disk";
	case FL_WAITS_READERS: return " waits for its readers";
	case FL_WAITS_RETRY: return " waits to try again";
	default: return "";
	}
}

static void show_flow(struct fl_buf *b, struct fl_app *app, struct fl_flow *f, double rate)
{
	uint64_t late = fl_metric_read(f->late), dead = fl_metric_read(f->dead);
	int64_t lag = fl_app_lag(app, f);
	fl_buf_printf(b, "%s%s %.*f/s", b->len ? "  " : "", f->who, rate < 100 ? 1 : 0, rate);
	if (late)
		fl_buf_printf(b, " late %llu", (unsigned long long)late);
	if (dead)
		fl_buf_printf(b, " dead %llu", (unsigned long long)dead);
	if (lag)
		fl_buf_printf(b, " behind %lld", (long long)lag);
	fl_buf_printf(b, "%s", wait_text(atomic_load(&f->waits)));
}

void fl_status_show(struct fl_status *st)
{
	if (!fl_log_tty())
		return;
	double now = fl_monotonic(), span = now - st->at;
	struct fl_buf b = {0};
	uint32_t k = 0;
	for (uint32_t a = 0; a < st->apps; a++)
		for (uint32_t f = 0; f < st->app[a]->plan->flows; f++, k++) {
			struct fl_flow *flow = st->app[a]->flow[f];
			if (!flow)
				continue;
			uint64_t in = fl_metric_read(flow->in);
			show_flow(&b, st->app[a], flow, span > 0 ? (double)(in - st->was[k]) / span : 0);
			st->was[k] = in;
		}
	fl_buf_byte(&b, 0);
	fl_log_status(b.p);
	fl_buf_free(&b);
	st->at = now;
}

void fl_status_free(struct fl_status *st)
{
	if (!st)
		return;
	fl_log_status(NULL);
	free(st->was);
	free(st);
}
