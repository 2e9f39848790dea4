/* A walk through a JSON text that checks it whole as it goes; also the check alone. Used where a text is small or must
 * be judged strictly: nested values, texts that stages write, and to say what is wrong with a record. Any thread. */
#include "json.h"

#include <stdio.h>

#include "codec.h"
#include "json_string.h"
#include "number.h"
#include "utf8.h"

/* What may come next. */
enum { VALUE, FIRST_KEY, KEY, FIRST_ITEM, AFTER, DONE, BROKEN };

static enum fl_json_what broken(struct fl_json_walk *w, const char *at, const char *what)
{
	snprintf(w->err, sizeof w->err, "%s at byte %zu", what, (size_t)(at - w->start));
	w->state = BROKEN;
	return FL_J_ERROR;
}

static enum fl_json_what expected(struct fl_json_walk *w, const char *what)
{
	char text[128];
	unsigned char c = w->p < w->end ? (unsigned char)*w->p : 0;
	if (w->p >= w->end)
		snprintf(text, sizeof text, "it ends where %s is expected,", what);
	else if (c > ' ' && c < 0x7F)
		snprintf(text, sizeof text, "'%c' stands where %s is expected,", c, what);
	else
		snprintf(text, sizeof text, "the byte 0x%02X stands where %s is expected,", c, what);
	return broken(w, w->p, text);
}

static void skip_space(struct fl_json_walk *w)
{
	while (w->p < w->end && (*w->p == ' ' || *w->p == '\n' || *w->p == '\r' || *w->p == '\t'))
		w->p++;
}

static int in_object(const struct fl_json_walk *w)
{
	return w->kinds[(w->depth - 1) / 64] >> (w->depth - 1) % 64 & 1;
}

static enum fl_json_what found(struct fl_json_walk *w, enum fl_json_what what, uint32_t len)
{
	w->raw = (struct fl_str){w->p, len};
	w->p += len;
	return what;
}

static enum fl_json_what open_nested(struct fl_json_walk *w, int object)
{
	if (w->depth == w->max_depth) {
		char text[64];
		snprintf(text, sizeof text, "it is nested deeper than %u", w->max_depth);
		return broken(w, w->p, text);
	}
	uint64_t *word = &w->kinds[w->depth / 64], bit = (uint64_t)1 << w->depth % 64;
	*word = (w->depth % 64 ? *word & ~bit : 0) | (object ? bit : 0);
	w->depth++;
	w->state = object ? FIRST_KEY : FIRST_ITEM;
	return found(w, object ? FL_J_OBJECT : FL_J_ARRAY, 1);
}

static enum fl_json_what close_nested(struct fl_json_walk *w)
{
	int object = in_object(w);
	w->depth--;
	w->state = w->depth ? AFTER : DONE;
	return found(w, object ? FL_J_OBJECT_END : FL_J_ARRAY_END, 1);
}

/* Moves s over a string's content to its closing quote. 0: an error was said. */
static int string_end(struct fl_json_walk *w, const char **at, int *escapes)
{
	const char *s = *at;
	while (s < w->end && *s != '"') {
		unsigned char c = (unsigned char)*s;
		if (c == '\\') {
			*escapes = 1;
			s += w->end - s > 1 && (s[1] == '"' || s[1] == '\\') ? 2 : 1;
		} else if (c < 0x20) {
			return broken(w, s, "a control character stands in a string"), 0;
		} else if (c < 0x80) {
			s++;
		} else {
			uint32_t n = fl_utf8_length(s, w->end);
			if (n == 0)
				return broken(w, s, "it is not UTF-8"), 0;
			s += n;
		}
	}
	if (s >= w->end)
		return broken(w, w->p, "a string has no end, it begins"), 0;
	*at = s;
	return 1;
}

static enum fl_json_what string(struct fl_json_walk *w, enum fl_json_what what)
{
	int escapes = 0;
	const char *s = w->p + 1, *end = s;
	if (!string_end(w, &end, &escapes))
		return FL_J_ERROR;
	w->text = (struct fl_str){s, (uint32_t)(end - s)};
	if (escapes) {
		w->scratch->len = 0;
		char *to = fl_buf_room(w->scratch, w->text.len);
		uint32_t n;
		if (fl_json_unescape(to, s, w->text.len, &n) < 0)
			return broken(w, s + n, "an escape is none, or half a surrogate pair,");
		w->text = (struct fl_str){to, n};
	}
	return found(w, what, (uint32_t)(end + 1 - w->p));
}

static enum fl_json_what number(struct fl_json_walk *w)
{
	const char *s = w->p;
	while (s < w->end && ((*s >= '0' && *s <= '9') || *s == '-' || *s == '+' || *s == '.' || (*s | 32) == 'e'))
		s++;
	w->text = (struct fl_str){w->p, (uint32_t)(s - w->p)};
	double d;
	int64_t i;
	int is_unsigned;
	if (fl_number_read(w->text.p, w->text.len, &d, &i, &is_unsigned) == 0)
		return broken(w, w->p, "a number is not written as JSON has it");
	return found(w, FL_J_NUMBER, w->text.len);
}

static enum fl_json_what value(struct fl_json_walk *w)
{
	static const struct {
		const char *text;
		enum fl_json_what what;
	} word[] = {{"true", FL_J_TRUE}, {"false", FL_J_FALSE}, {"null", FL_J_NULL}};
	if (w->p == w->end)
		return expected(w, "a value");
	w->state = w->depth ? AFTER : DONE;
	char c = *w->p;
	if (c == '{' || c == '[')
		return open_nested(w, c == '{');
	if (c == '"')
		return string(w, FL_J_STRING);
	if (c == '-' || (c >= '0' && c <= '9'))
		return number(w);
	for (size_t k = 0; k < 3; k++) {
		size_t n = strlen(word[k].text);
		if ((size_t)(w->end - w->p) >= n && memcmp(w->p, word[k].text, n) == 0)
			return found(w, word[k].what, (uint32_t)n);
	}
	return expected(w, "a value");
}

static enum fl_json_what key(struct fl_json_walk *w)
{
	if (w->p == w->end || *w->p != '"')
		return expected(w, "a key");
	if (string(w, FL_J_KEY) == FL_J_ERROR)
		return FL_J_ERROR;
	struct fl_str raw = w->raw;
	skip_space(w);
	if (w->p == w->end || *w->p != ':')
		return expected(w, "a colon");
	w->p++;
	w->raw = raw;
	w->state = VALUE;
	return FL_J_KEY;
}

static enum fl_json_what after(struct fl_json_walk *w)
{
	int object = in_object(w);
	char c = w->p < w->end ? *w->p : 0;
	if (c == (object ? '}' : ']'))
		return close_nested(w);
	if (c != ',')
		return expected(w, object ? "a comma or }" : "a comma or ]");
	w->p++;
	skip_space(w);
	return object ? key(w) : value(w);
}

enum fl_json_what fl_json_next(struct fl_json_walk *w)
{
	if (w->state != BROKEN)
		skip_space(w);
	switch (w->state) {
	case VALUE:
		return value(w);
	case FIRST_KEY:
		return w->p < w->end && *w->p == '}' ? close_nested(w) : key(w);
	case FIRST_ITEM:
		return w->p < w->end && *w->p == ']' ? close_nested(w) : value(w);
	case AFTER:
		return after(w);
	case DONE:
		return w->p == w->end ? FL_J_END : expected(w, "the end");
	default:
		return FL_J_ERROR;
	}
}

void fl_json_walk(struct fl_json_walk *w, struct fl_str text, uint32_t max_depth, struct fl_buf *scratch)
{
	w->start = w->p = text.p;
	w->end = text.p + text.len;
	w->depth = 0;
	w->max_depth = max_depth < FL_DEPTH_MAX ? max_depth : FL_DEPTH_MAX;
	w->text = w->raw = (struct fl_str){0};
	w->scratch = scratch;
	w->state = VALUE;
	w->err[0] = 0;
}

int fl_json_check(struct fl_str text, uint32_t depth, char *err)
{
	struct fl_buf scratch = {0};
	struct fl_json_walk w;
	fl_json_walk(&w, text, depth, &scratch);
	enum fl_json_what what;
	do
		what = fl_json_next(&w);
	while (what != FL_J_END && what != FL_J_ERROR);
	fl_buf_free(&scratch);
	return what == FL_J_END ? 0 : fl_err(err, "%s", w.err);
}
