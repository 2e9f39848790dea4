/* What stages do to the events of a batch: outcomes, writes, new records. Called by the host's functions for plugins,
 * by the script layer, and by the task, on the batch's thread. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "batch.h"
#include "json.h"
#include "json_string.h"
#include "number.h"

/* ---- outcomes ---- */

static struct fl_why *say(struct fl_events *ev, uint32_t i, enum fl_outcome outcome, const char *stage)
{
	FL_ASSERT(i < ev->b.n);
	if (ev->b.outcome[i] != FL_PASS)
		return NULL;
	ev->b.outcome[i] = (uint8_t)outcome;
	if (ev->whys == ev->why_cap) {
		ev->why_cap = ev->why_cap ? 2 * ev->why_cap : 64;
		ev->why = fl_realloc(ev->why, ev->why_cap * sizeof *ev->why);
	}
	struct fl_why *why = &ev->why[ev->whys++];
	*why = (struct fl_why){.i = i, .stream = FL_NO_STREAM, .stage = stage};
	return why;
}

void fl_events_drop(struct fl_events *ev, uint32_t i, const char *stage, struct fl_str reason)
{
	struct fl_why *why = say(ev, i, FL_DROP, stage);
	if (why)
		why->text = fl_arena_copy(&ev->arena, reason.p, reason.len);
}

void fl_events_reject(struct fl_events *ev, uint32_t i, const char *stage, struct fl_str at, struct fl_str text)
{
	struct fl_why *why = say(ev, i, FL_REJECT, stage);
	if (!why)
		return;
	why->at = fl_arena_copy(&ev->arena, at.p, at.len);
	why->text = fl_arena_copy(&ev->arena, text.p, text.len);
}

void fl_events_late(struct fl_events *ev, uint32_t i, const char *stage, uint32_t stream)
{
	struct fl_why *why = say(ev, i, FL_LATE, stage);
	if (why)
		why->stream = stream;
}

/* ---- writes ---- */

static struct fl_column *column(struct fl_events *ev, uint32_t col, uint32_t i)
{
	FL_ASSERT(col < ev->b.columns && i < ev->b.n);
	return ev->b.column[col];
}

__attribute__((format(printf, 4, 5))) static void refuse(struct fl_events *ev, const struct fl_column *c, uint32_t i,
	const char *fmt, ...)
{
	char what[FL_ERRLEN], text[FL_ERRLEN + 128];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	int name = (int)(c->name.len < 64 ? c->name.len : 64);
	int n = snprintf(text, sizeof text, "the field \"%.*s\" %s", name, c->name.p, what);
	fl_events_reject(ev, i, ev->stage ? ev->stage : "write", (struct fl_str){0}, (struct fl_str){text, (uint32_t)n});
}

void fl_events_set_number(struct fl_events *ev, uint32_t col, uint32_t i, double v)
{
	struct fl_column *c = column(ev, col, i);
	if (!isfinite(v)) {
		refuse(ev, c, i, "was set to %s, which JSON has no number for", isnan(v) ? "NaN" : v > 0 ? "infinity" : "-infinity");
		return;
	}
	c->type[i] = FL_NUMBER;
	c->num[i] = v;
	fl_events_touch(ev, c, i);
}

void fl_events_set_int(struct fl_events *ev, uint32_t col, uint32_t i, int64_t v)
{
	struct fl_column *c = column(ev, col, i);
	const int64_t exact = (int64_t)1 << 53;
	c->type[i] = FL_NUMBER;
	c->num[i] = (double)v;
	if (v > exact || v < -exact) {
		char text[FL_NUMBER_MAX];
		c->type[i] = FL_BIGINT;
		c->str[i] = fl_arena_copy(&ev->arena, text, fl_integer_write(text, v));
	}
	fl_events_touch(ev, c, i);
}

void fl_events_set_string(struct fl_events *ev, uint32_t col, uint32_t i, struct fl_str s)
{
	struct fl_column *c = column(ev, col, i);
	c->type[i] = FL_STRING;
	c->str[i] = fl_arena_copy(&ev->arena, s.p, s.len);
	fl_events_touch(ev, c, i);
}

/* The cell of a JSON text that was checked and copied. -1: a number beyond a double. */
static int set_checked(struct fl_column *c, uint32_t i, struct fl_str text)
{
	double number;
	int64_t integer;
	int is_unsigned, got;
	switch (text.p[0]) {
	case '"':
		c->type[i] = FL_STRING;
		FL_ASSERT(fl_json_unescape((char *)text.p, text.p + 1, text.len - 2, &c->str[i].len) == 0);
		c->str[i].p = text.p;
		return 0;
	case '{':
	case '[':
		c->type[i] = FL_NESTED;
		c->str[i] = text;
		return 0;
	case 'n':
		c->type[i] = FL_NULL;
		return 0;
	case 't':
	case 'f':
		c->type[i] = FL_BOOL;
		c->num[i] = text.p[0] == 't';
		return 0;
	default:
		got = fl_number_read(text.p, text.len, &number, &integer, &is_unsigned);
		if (got < 0)
			return -1;
		c->num[i] = number;
		c->type[i] = got == 2 ? FL_BIGINT : FL_NUMBER;
		c->str[i] = text;
		return 0;
	}
}

static struct fl_str trim(struct fl_str s)
{
	while (s.len && memchr(" \n\r\t", s.p[0], 4))
		s.p++, s.len--;
	while (s.len && memchr(" \n\r\t", s.p[s.len - 1], 4))
		s.len--;
	return s;
}

int fl_events_set_json(struct fl_events *ev, uint32_t col, uint32_t i, struct fl_str text)
{
	struct fl_column *c = column(ev, col, i);
	char err[FL_ERRLEN];
	if (fl_json_check(text, ev->limits.depth - 1, err) < 0) {
		refuse(ev, c, i, "was set to a text that is not JSON: %s", err);
		return -1;
	}
	text = trim(text);
	if (set_checked(c, i, fl_arena_copy(&ev->arena, text.p, text.len)) < 0) {
		refuse(ev, c, i, "was set to the number %.*s, which is beyond the range of a double",
			(int)(text.len < 64 ? text.len : 64), text.p);
		return -1;
	}
	fl_events_touch(ev, c, i);
	return 0;
}

void fl_events_remove(struct fl_events *ev, uint32_t col, uint32_t i)
{
	struct fl_column *c = column(ev, col, i);
	c->type[i] = FL_ABSENT;
	fl_events_touch(ev, c, i);
}

/* ---- new records, and records as they stand ---- */

static struct fl_str copy(struct fl_events *ev, struct fl_str s, size_t pad)
{
	if (!s.p)
		return s;
	char *to = fl_arena_alloc(&ev->arena, s.len + pad + 1);
	memcpy(to, s.p, s.len);
	memset(to + s.len, 0, pad);
	return (struct fl_str){to, s.len};
}

void fl_events_emit(struct fl_events *ev, uint32_t before, uint32_t stream, struct fl_str key, struct fl_str value,
	struct fl_str headers, double time)
{
	if (ev->emits == ev->emit_cap) {
		ev->emit_cap = ev->emit_cap ? 2 * ev->emit_cap : 64;
		ev->emitted = fl_realloc(ev->emitted, ev->emit_cap * sizeof *ev->emitted);
	}
	ev->emitted[ev->emits++] = (struct fl_emitted){
		.before = before,
		.stream = stream,
		.key = copy(ev, key, 0),
		.value = copy(ev, value, FL_PAD), /* it may be decoded where it lies */
		.headers = copy(ev, headers, 0),
		.time = time,
	};
}

int fl_events_encode(struct fl_events *ev, uint32_t i, const struct fl_codec *to, struct fl_buf *out, char *err)
{
	size_t before = out->len;
	if (to->encode(ev, i, out, err) == 0)
		return 0;
	out->len = before;
	return -1;
}

/* A key that is no untouched number and no string. */
__attribute__((noinline)) static struct fl_str other_key(struct fl_events *ev, const struct fl_column *c, uint32_t i)
{
	char text[FL_NUMBER_MAX];
	switch ((enum fl_type)c->type[i]) {
	case FL_ABSENT:
		return (struct fl_str){0};
	case FL_STRING:
	case FL_NESTED:
	case FL_BIGINT:
		return c->str[i];
	case FL_BOOL:
		return fl_str(c->num[i] != 0 ? "true" : "false");
	case FL_NULL:
		return fl_str("null");
	case FL_NUMBER:
		break;
	}
	return fl_arena_copy(&ev->arena, text, fl_number_write(text, c->num[i]));
}

struct fl_str fl_events_key(struct fl_events *ev, uint32_t col, uint32_t i)
{
	const struct fl_column *c = column(ev, col, i);
	if (c->type[i] == FL_STRING)
		return c->str[i];
	if (c->type[i] == FL_NUMBER && !c->dirty[i]) /* as the record has it */
		return (struct fl_str){ev->b.value[i].p + c->at[i], c->len[i]};
	return other_key(ev, c, i);
}
