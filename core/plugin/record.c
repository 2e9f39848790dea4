/* A record as it stands now, whole or field by field: the host's record() and each_field(), mostly for sinks. On the
 * thread of the instance. */
#include <math.h>
#include <string.h>

#include "../event/json.h"
#include "../event/number.h"
#include "private.h"

#define DEPTH 64

struct fl_str fl_ctx_record(struct fl_ctx *ctx, struct fl_events *ev, uint32_t i)
{
	char err[FL_ERRLEN];
	if (!ev->b.touched[i])
		return ev->b.value[i];
	ctx->record.len = 0;
	if (fl_events_encode(ev, i, ev->codec, &ctx->record, err) < 0) {
		fl_events_reject(ev, i, ctx->stage, (struct fl_str){0}, fl_str(err));
		return (struct fl_str){0};
	}
	memset(fl_buf_room(&ctx->record, FL_PAD), 0, FL_PAD);
	return (struct fl_str){ctx->record.p, (uint32_t)ctx->record.len};
}

/* Unescaped texts lie in the walk's scratch, which the next one overwrites. */
static struct fl_str stay(struct fl_ctx *ctx, const struct fl_json_walk *w)
{
	if (w->text.p >= w->start && w->text.p <= w->end)
		return w->text;
	return fl_arena_copy(&ctx->texts, w->text.p, w->text.len);
}

static void number(struct fl_cell *c, struct fl_str text)
{
	int64_t bits;
	int is_unsigned, kind = fl_number_read(text.p, text.len, &c->num, &bits, &is_unsigned);
	c->type = kind == 2 ? FL_BIGINT : FL_NUMBER;
	c->str = text;
	if (kind < 0)
		c->num = text.p[0] == '-' ? -INFINITY : INFINITY;
}

/* Steps over the rest of an object or array whose opening was just seen. -1: it has no end. */
static int skip(struct fl_json_walk *w)
{
	for (uint32_t open = 1; open;) {
		enum fl_json_what what = fl_json_next(w);
		if (what == FL_J_ERROR || what == FL_J_END)
			return -1;
		open += (what == FL_J_OBJECT || what == FL_J_ARRAY);
		open -= (what == FL_J_OBJECT_END || what == FL_J_ARRAY_END);
	}
	return 0;
}

static int value(struct fl_ctx *ctx, struct fl_json_walk *w, struct fl_cell *c)
{
	enum fl_json_what what = fl_json_next(w);
	const char *from = w->raw.p;
	switch (what) {
	case FL_J_OBJECT:
	case FL_J_ARRAY:
		if (skip(w) != 0)
			return -1;
		c->type = FL_NESTED;
		c->str = (struct fl_str){from, (uint32_t)(w->raw.p + w->raw.len - from)};
		return 0;
	case FL_J_STRING:
		c->type = FL_STRING;
		c->str = stay(ctx, w);
		return 0;
	case FL_J_NUMBER:
		number(c, w->text);
		return 0;
	case FL_J_TRUE:
	case FL_J_FALSE:
		c->type = FL_BOOL;
		c->num = what == FL_J_TRUE;
		return 0;
	case FL_J_NULL:
		c->type = FL_NULL;
		return 0;
	default:
		return -1;
	}
}

int fl_ctx_each_field(struct fl_ctx *ctx, struct fl_events *ev, uint32_t i,
                      int (*see)(void *arg, const struct fl_cell *), void *arg)
{
	struct fl_str record = fl_ctx_record(ctx, ev, i);
	struct fl_cell cell = {.name = fl_str("value"), .type = FL_STRING, .str = record};
	if (!record.p)
		return -1;
	if (ev->codec != &fl_codec_json)
		return see(arg, &cell);
	struct fl_json_walk w;
	enum fl_json_what what;
	int rc = 0;
	fl_arena_reset(&ctx->texts);
	fl_json_walk(&w, record, ev->limits.depth ? ev->limits.depth : DEPTH, &ctx->scratch);
	if (fl_json_next(&w) != FL_J_OBJECT)
		return -1;
	while (rc == 0 && (what = fl_json_next(&w)) == FL_J_KEY) {
		cell = (struct fl_cell){.name = stay(ctx, &w)};
		if (value(ctx, &w, &cell) != 0)
			return -1;
		rc = see(arg, &cell);
	}
	return rc ? rc : what == FL_J_OBJECT_END ? 0 : -1;
}
