/* JSON texts beside columns: checking one, writing strings, walking through one. Used by the codec, the script layer's
 * exact Lua codec, plan and plugins' host. Depth and UTF-8 are checked. */
#ifndef FL_EVENT_JSON_H
#define FL_EVENT_JSON_H

#include "../base/buf.h"

/* 0: text is exactly one JSON value (white space around it allowed), checked whole. */
int fl_json_check(struct fl_str text, uint32_t depth, char *err);

/* Appends "…" with what must be escaped escaped. -1: not UTF-8; nothing appended. */
int fl_json_string(struct fl_buf *out, struct fl_str s);

/* A walk through a JSON text in order, on the whole text checked as it goes. */
enum fl_json_what {
	FL_J_END, FL_J_ERROR, FL_J_OBJECT, FL_J_OBJECT_END, FL_J_ARRAY, FL_J_ARRAY_END,
	FL_J_KEY, FL_J_STRING, FL_J_NUMBER, FL_J_TRUE, FL_J_FALSE, FL_J_NULL
};
struct fl_json_walk {
	const char *start, *p, *end;
	uint32_t depth, max_depth;
	struct fl_str text; /* of a number: its text; of a key or string: its content, unescaped (in scratch where it had escapes) */
	struct fl_str raw;  /* of what was found, as it stands there (strings with their quotes) */
	struct fl_buf *scratch;
	uint64_t kinds[16]; /* object or array, a bit a level (depth up to 1024) */
	int state;
	char err[FL_ERRLEN];
};
void fl_json_walk(struct fl_json_walk *w, struct fl_str text, uint32_t max_depth, struct fl_buf *scratch);
enum fl_json_what fl_json_next(struct fl_json_walk *w); /* content is valid until the next string with escapes */

#endif
