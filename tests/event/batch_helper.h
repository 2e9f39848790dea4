/* A batch of one record at a time for the tests of events: made with named columns, loaded, looked at, encoded. */
#ifndef BATCH_HELPER_H
#define BATCH_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "event/batch.h"

struct batch {
	struct fl_fields *fields;
	struct fl_events *ev;
	const struct fl_codec *to; /* encodes as this; the batch's own where NULL */
	struct fl_buf record, out;
	char text[512];
	char err[FL_ERRLEN];
};

/* Columns by their names with spaces between. */
static inline void batch_open(struct batch *b, const struct fl_codec *codec, struct fl_limits limits, const char *columns, const struct fl_codec *to)
{
	memset(b, 0, sizeof *b);
	b->fields = fl_fields_new();
	for (const char *p = columns; *p;) {
		size_t n = strcspn(p, " ");
		assert_int_not_equal(fl_fields_add(b->fields, (struct fl_str){p, (uint32_t)n}), FL_NO_FIELD);
		p += n + (p[n] == ' ');
	}
	b->ev = fl_events_new(b->fields, codec, limits, 0);
	b->to = to ? to : codec;
}

static inline void batch_close(struct batch *b)
{
	fl_events_free(b->ev);
	fl_fields_free(b->fields);
	fl_buf_free(&b->record);
	fl_buf_free(&b->out);
}

/* The record lies in memory of its exact length and the padding, so that a sanitizer sees a step too far. */
static inline void batch_load_bytes(struct batch *b, const char *p, size_t n)
{
	fl_buf_free(&b->record);
	b->record.p = fl_alloc(n + FL_PAD);
	b->record.cap = n + FL_PAD;
	if (n)
		memcpy(b->record.p, p, n);
	fl_events_begin(b->ev, "test", 0, 0);
	fl_events_add(b->ev, 0, 0, (struct fl_str){0}, (struct fl_str){b->record.p, (uint32_t)n}, (struct fl_str){0});
	fl_events_decode(b->ev);
}

static inline void batch_load(struct batch *b, const char *text) { batch_load_bytes(b, text, strlen(text)); }

static inline uint32_t batch_col(struct batch *b, const char *name)
{
	uint32_t col = fl_events_column(b->ev, fl_str(name));
	assert_int_not_equal(col, FL_NO_FIELD);
	return col;
}

static inline struct fl_column *batch_cell(struct batch *b, const char *name) { return b->ev->b.column[batch_col(b, name)]; }

static inline int batch_type(struct batch *b, const char *name) { return batch_cell(b, name)->type[0]; }

/* The content of a cell that has a text, terminated. */
static inline const char *batch_text(struct batch *b, const char *name)
{
	struct fl_str s = batch_cell(b, name)->str[0];
	snprintf(b->text, sizeof b->text, "%.*s", (int)s.len, s.p);
	return b->text;
}

/* What the record is encoded as, terminated; NULL: it can't be, b->err says why. */
static inline const char *batch_out(struct batch *b)
{
	b->out.len = 0;
	if (fl_events_encode(b->ev, 0, b->to, &b->out, b->err) < 0)
		return NULL;
	fl_buf_byte(&b->out, 0);
	return b->out.p;
}

/* Why the record was rejected; NULL: it was not. */
static inline const char *batch_why(struct batch *b)
{
	if (b->ev->whys == 0)
		return NULL;
	snprintf(b->text, sizeof b->text, "%.*s", (int)b->ev->why[0].text.len, b->ev->why[0].text.p);
	return b->text;
}

#endif
