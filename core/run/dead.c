/* Events that do not pass. Called at the end of a batch, on the thread of its line. */
#include "dead.h"

#include <stdlib.h>

#include "../base/log.h"
#include "../event/header.h"
#include "../event/number.h"

/* One counter a reason; few, so a list. */
struct fl_dropped {
	char *reason;
	struct fl_metric *count;
	struct fl_dropped *next;
};

static void count_drop(struct fl_line *line, struct fl_str reason)
{
	struct fl_dropped *d = line->dropped;
	while (d && !fl_str_eq(fl_str(d->reason), reason))
		d = d->next;
	if (!d) {
		d = fl_alloc(sizeof *d);
		d->reason = fl_printf("%.*s", (int)reason.len, reason.p);
		char *safe = fl_strdup(d->reason);
		for (char *c = safe; *c; c++)
			if (*c == '"' || *c == '\\' || *c == '\n')
				*c = '\'';
		char *labels = fl_printf("%s,reason=\"%s\"", line->flow->labels, safe);
		d->count = fl_metric_get("fairlead_events_dropped_total", labels, NULL);
		free(labels);
		free(safe);
		d->next = line->dropped;
		line->dropped = d;
	}
	fl_metric_add(d->count, 1);
}

void fl_dropped_free(struct fl_dropped *d)
{
	while (d) {
		struct fl_dropped *next = d->next;
		free(d->reason);
		free(d);
		d = next;
	}
}

static void header_text(struct fl_buf *h, const char *name, struct fl_str value)
{
	fl_header_add(h, fl_str(name), value);
}

static void header_int(struct fl_buf *h, const char *name, int64_t v)
{
	char text[FL_NUMBER_MAX];
	header_text(h, name, (struct fl_str){text, fl_integer_write(text, v)});
}

/* A letter that is retried and dies again gets new fl.* headers in the place of the old ones. */
static void keep_headers(struct fl_buf *h, struct fl_str headers)
{
	struct fl_str name, value;
	for (uint32_t at = 0; fl_header_next(headers, &at, &name, &value);)
		if (name.len < 3 || memcmp(name.p, "fl.", 3) != 0)
			fl_header_add(h, name, value);
}

void fl_dead_letter(struct fl_flow *flow, struct fl_events *ev, const struct fl_why *why, struct fl_output *out)
{
	uint32_t i = why->i;
	struct fl_buf h = {0};
	fl_output_from(out, ev, i);
	keep_headers(&h, ev->b.headers[i]);
	header_text(&h, "fl.stage", fl_str(why->stage));
	if (why->at.len)
		header_text(&h, "fl.at", why->at);
	header_text(&h, "fl.error", why->text);
	header_text(&h, "fl.stream", fl_str(ev->b.stream));
	header_int(&h, "fl.partition", ev->b.partition);
	header_int(&h, "fl.offset", ev->b.offset[i]);
	char text[40];
	header_text(&h, "fl.time", (struct fl_str){text, fl_number_write(text, ev->b.time[i])});

	struct fl_record r = {ev->b.time[i], ev->b.key[i], {h.p, (uint32_t)h.len}, ev->original ? ev->original[i] : ev->b.value[i]};
	struct fl_out_mark m;
	struct fl_buf *b = fl_output_begin(out, &m, flow->plan->dlq, &r);
	fl_buf_add(b, r.value.p, r.value.len);
	fl_output_end(out, &m);
	fl_buf_free(&h);
	fl_metric_add(flow->dead, 1);

	const char *cut = memchr(why->text.p, '\n', why->text.len); /* the traceback stays in the letter */
	int len = (int)(cut ? cut - why->text.p : (long)why->text.len);
	fl_log(FL_WARN, flow->who, "dead letter: %.*s%s%s: %.*s", (int)why->at.len, why->at.p, why->at.len ? " in " : "", why->stage, len, why->text.p);
}

static void late_record(struct fl_line *line, struct fl_events *ev, const struct fl_why *why, struct fl_output *out)
{
	const struct fl_plan *plan = line->flow->plan;
	uint32_t i = why->i, stream = why->stream == FL_NO_STREAM ? plan->late : why->stream;
	struct fl_record r = {ev->b.time[i], ev->b.key[i], ev->b.headers[i], ev->b.value[i]};
	struct fl_out_mark m;
	char err[FL_ERRLEN];
	fl_output_from(out, ev, i);
	struct fl_buf *b = fl_output_begin(out, &m, stream, &r);
	if (fl_events_encode(ev, i, plan->stream[stream].codec, b, err) == 0) {
		fl_output_end(out, &m);
		fl_metric_add(line->flow->late, 1);
		return;
	}
	fl_output_cancel(out, &m);
	struct fl_why cannot = {.i = i, .stage = why->stage, .text = fl_str(err)};
	fl_dead_letter(line->flow, ev, &cannot, out);
}

static int by_event(const void *a, const void *b)
{
	const struct fl_why *x = a, *y = b;
	return x->i < y->i ? -1 : x->i > y->i;
}

/* Stages speak one after the other; the order of the events is the one that no batch's boundary changes. */
void fl_dead_sort(struct fl_events *ev)
{
	if (ev->whys > 1)
		qsort(ev->why, ev->whys, sizeof *ev->why, by_event);
}

void fl_dead_settle(struct fl_line *line, struct fl_events *ev, const struct fl_why *why, struct fl_output *out)
{
	static const char SILENT[] = "a plugin set its outcome by itself, instead of by drop(), reject() or late()";
	if (!why->stage) {
		fl_dead_letter(line->flow, ev, &(struct fl_why){.i = why->i, .stage = "plugin", .text = fl_str(SILENT)}, out);
		return;
	}
	switch (ev->b.outcome[why->i]) {
	case FL_DROP: count_drop(line, why->text); break;
	case FL_LATE: late_record(line, ev, why, out); break;
	case FL_REJECT: fl_dead_letter(line->flow, ev, why, out); break;
	default: break;
	}
}
