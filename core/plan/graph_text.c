/* The plan as a text for a terminal: streams, then what flows where, each with its place in the conf. Used by check. */
#include <math.h>
#include <string.h>

#include "private.h"

#define PLACE 76 /* the column that places begin at, where the line is short enough */

struct drawing {
	const struct fl_plan *plan;
	struct fl_buf *out;
	size_t from; /* of the current line */
	int colour;
	uint32_t unseen; /* bytes of the line that take no column */
};

static void style(struct drawing *d, const char *code)
{
	if (!d->colour)
		return;
	size_t before = d->out->len;
	fl_buf_printf(d->out, "\033[%sm", code);
	d->unseen += (uint32_t)(d->out->len - before);
}

static void line(struct drawing *d)
{
	d->from = d->out->len;
	d->unseen = 0;
}

static uint32_t width(const struct drawing *d)
{
	uint32_t n = 0;
	for (size_t i = d->from; i < d->out->len; i++)
		n += ((unsigned char)d->out->p[i] & 0xc0) != 0x80; /* a character of UTF-8 once */
	return n - d->unseen;
}

/* Ends the line with where the conf has it. */
static void place(struct drawing *d, int at)
{
	if (at) {
		uint32_t w = width(d);
		fl_buf_printf(d->out, "%*s", w + 2 < PLACE ? (int)(PLACE - w) : 2, "");
		style(d, "2");
		fl_show_text(d->plan->file, d->out);
		fl_buf_printf(d->out, ":%d", at);
		style(d, "0");
	}
	fl_buf_byte(d->out, '\n');
}

static void name(struct drawing *d, const char *text, const char *code)
{
	style(d, code);
	fl_show_text(text, d->out);
	style(d, "0");
}

static void time_of(struct drawing *d, const struct fl_time_spec *t)
{
	if (!t->field)
		return;
	FL_BUF_LIT(d->out, ", time ");
	fl_show_text(t->field, d->out);
	if (t->format) {
		FL_BUF_LIT(d->out, " as ");
		fl_show_text(t->format, d->out);
	} else if (t->unit < 1) {
		fl_buf_printf(d->out, " in %s", t->unit > 0.5e-3 ? "ms" : t->unit > 0.5e-6 ? "us" : "ns");
	}
}

/* In the largest unit that it is whole in, as a conf has it. */
static void amount(struct drawing *d, double v, const char *const *unit, const double *of, uint32_t n)
{
	while (n > 1 && (v < of[n - 1] || v / of[n - 1] != floor(v / of[n - 1])))
		n--;
	fl_buf_printf(d->out, "%.15g%s", v / of[n - 1], unit[n - 1]);
}

static void kept(struct drawing *d, const struct fl_plan_stream *s)
{
	static const char *const times[] = {"ms", "s", "m", "h", "d"}, *const sizes[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	static const double seconds[] = {1e-3, 1, 60, 3600, 86400},
						bytes[] = {1, 1 << 10, 1 << 20, 1 << 30, 1099511627776.0};
	if (s->keep_age > 0) {
		FL_BUF_LIT(d->out, ", kept ");
		amount(d, s->keep_age, times, seconds, 5);
	}
	if (s->keep_bytes) {
		FL_BUF_LIT(d->out, ", kept up to ");
		amount(d, (double)s->keep_bytes, sizes, bytes, 5);
	}
}

static void draw_stream(struct drawing *d, uint32_t i, int wide)
{
	const struct fl_plan_stream *s = &d->plan->stream[i];
	line(d);
	FL_BUF_LIT(d->out, "  ");
	name(d, s->name, "36");
	int pad = wide - (int)strlen(s->name);
	fl_buf_printf(d->out, "%*s  %u partition%s", pad > 0 ? pad : 0, "", s->partitions, s->partitions == 1 ? "" : "s");
	if (s->key) {
		FL_BUF_LIT(d->out, ", key ");
		fl_show_text(s->key, d->out);
	}
	time_of(d, &s->time);
	if (s->codec != &fl_codec_json)
		fl_buf_printf(d->out, ", %s", s->codec->name);
	kept(d, s);
	if (i == d->plan->late || i == d->plan->dlq)
		fl_buf_printf(d->out, ", for %s", i == d->plan->late ? "late events" : "dead letters");
	place(d, s->line);
}

static void draw_options(struct drawing *d, const struct fl_value *opts)
{
	for (uint32_t i = 0; i < opts->n; i++) {
		fl_buf_printf(d->out, "%s", i ? ", " : "  ");
		fl_show_text(opts->item[i].name, d->out);
		FL_BUF_LIT(d->out, " = ");
		fl_show_value(&opts->item[i], 1, d->out);
	}
}

static void draw_stage(struct drawing *d, const struct fl_plan_stage *st, int last)
{
	line(d);
	fl_buf_printf(d->out, "  %s %s ", last ? "└─" : "├─", st->kind == FL_STAGE_PLUGIN ? "plugin" : "script");
	name(d, st->name, "33");
	if (st->rate > 0)
		fl_buf_printf(d->out, "  %g a second", st->rate);
	draw_options(d, &st->opts);
	place(d, st->line);
}

static void draw_flow(struct drawing *d, const struct fl_plan_flow *flow)
{
	fl_buf_byte(d->out, '\n');
	line(d);
	fl_buf_printf(d->out, "%s ", fl_flow_word(flow->kind));
	name(d, flow->name, "1");
	if (flow->newest)
		FL_BUF_LIT(d->out, ", from the newest record");
	place(d, flow->line);
	if (flow->from != FL_NO_STREAM) {
		FL_BUF_LIT(d->out, "  ");
		name(d, fl_show_stream(d->plan, flow->from), "36");
		fl_buf_byte(d->out, '\n');
	}
	for (uint32_t k = 0; k < flow->stages; k++)
		draw_stage(d, &flow->stage[k], k + 1 == flow->stages && flow->to == FL_NO_STREAM);
	if (flow->kind == FL_FLOW_WEB) {
		const struct fl_value *page = fl_value_get(&flow->opts, "page");
		FL_BUF_LIT(d->out, "  └→ page ");
		fl_show_text(page && page->text ? page->text : "-", d->out);
		fl_buf_byte(d->out, '\n');
	}
	if (flow->to != FL_NO_STREAM) {
		FL_BUF_LIT(d->out, "  └→ ");
		name(d, fl_show_stream(d->plan, flow->to), "36");
		fl_buf_byte(d->out, '\n');
	}
}

void fl_plan_text(const struct fl_plan *plan, struct fl_buf *out, int colour)
{
	struct drawing d = {plan, out, out->len, colour, 0};
	int wide = 0;
	for (uint32_t i = 0; i < plan->streams; i++) {
		int n = (int)strlen(plan->stream[i].name);
		wide = n > wide ? n : wide;
	}
	FL_BUF_LIT(out, "app ");
	name(&d, plan->app, "1");
	fl_buf_printf(out, "%s\n", plan->power ? ", every commit synced" : "");
	fl_buf_printf(out, "\nstreams\n");
	for (uint32_t i = 0; i < plan->streams; i++)
		draw_stream(&d, i, wide > 40 ? 40 : wide);
	for (uint32_t i = 0; i < plan->flows; i++)
		draw_flow(&d, &plan->flow[i]);
}
