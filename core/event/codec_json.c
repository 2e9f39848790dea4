/* The JSON codec: records that are objects into columns. One pass over the tokens of a record, in which a member's
 * column is guessed by its position in the record before; a value is read only where somebody named its field. Called
 * once a batch (and once more for a field that is first used while the batch is worked on), on the batch's thread. */
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "json.h"
#include "json_decoder.h"
#include "json_string.h"
#include "number.h"

#define PIECE 16384u /* bytes that are indexed at once: they and their tokens stay in the nearest cache */
#define SLOTS (2 * FL_COLUMNS_MAX)
#define SEEN (sizeof((struct fl_decoder *)0)->seen / sizeof(struct fl_json_seen))

static struct fl_decoder *json_open(struct fl_limits limits)
{
	struct fl_decoder *d = fl_alloc(sizeof *d);
	d->limits = limits;
	d->index = fl_index_new();
	memset(d->slot, 0xFF, sizeof d->slot);
	return d;
}

static void json_close(struct fl_decoder *d)
{
	if (!d)
		return;
	fl_index_free(d->index);
	fl_buf_free(&d->scratch);
	fl_buf_free(&d->joined);
	free(d);
}

static uint32_t hash(struct fl_str key) { return (uint32_t)XXH3_64bits(key.p, key.len) % SLOTS; }

/* Takes in columns that were made since the last batch. What was known of keys by position may be one of them now. */
static void learn(struct fl_decoder *d, const struct fl_events *ev)
{
	for (; d->columns < ev->b.columns; d->columns++) {
		uint32_t at = hash(ev->b.column[d->columns]->name);
		while (d->slot[at] != FL_NO_COLUMN)
			at = (at + 1) % SLOTS;
		d->slot[at] = (uint16_t)d->columns;
	}
	memset(d->seen, 0, sizeof d->seen);
}

static uint16_t find(const struct fl_decoder *d, const struct fl_events *ev, struct fl_str key)
{
	for (uint32_t at = hash(key); d->slot[at] != FL_NO_COLUMN; at = (at + 1) % SLOTS)
		if (fl_str_eq(ev->b.column[d->slot[at]]->name, key))
			return d->slot[at];
	return FL_NO_COLUMN;
}

/* A key that is not the one expected at its position: looked up, and expected from now on. */
__attribute__((noinline)) static int32_t column_of(struct fl_decoder *d, const struct fl_events *ev, struct fl_str key,
	uint32_t position)
{
	struct fl_str raw = key;
	if (memchr(key.p, '\\', key.len)) {
		d->scratch.len = 0;
		char *to = fl_buf_room(&d->scratch, key.len);
		if (fl_json_unescape(to, key.p, key.len, &key.len) < 0)
			return -1;
		key.p = to;
	}
	uint16_t column = find(d, ev, key);
	if (position < SEEN && raw.len + 2 <= sizeof d->seen->key) {
		struct fl_json_seen *s = &d->seen[position];
		s->column = column;
		s->len = (uint8_t)(raw.len + 2);
		memcpy(s->key, raw.p - 1, raw.len + 2);
	}
	return column;
}

/* Whether both are the same len bytes, 1 to 16. Eight bytes behind either are readable. */
static inline int same_short(const char *a, const char *b, uint32_t len)
{
	uint64_t x, y;
	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	if (len > 8) {
		uint64_t v, w;
		memcpy(&v, a + len - 8, 8);
		memcpy(&w, b + len - 8, 8);
		return x == y && v == w;
	}
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (x ^ y) << (64 - 8 * len) == 0;
#else
	return (x ^ y) >> (64 - 8 * len) == 0;
#endif
}

static inline int is_seen(const struct fl_json_seen *s, const char *quoted)
{
	return s->len <= 16 ? same_short(s->key, quoted, s->len) : memcmp(s->key, quoted, s->len) == 0;
}

int32_t fl_json_column(struct fl_decoder *d, const struct fl_events *ev, struct fl_str key, uint32_t position)
{
	if (position < SEEN && d->seen[position].len == key.len + 2 && is_seen(&d->seen[position], key.p - 1))
		return d->seen[position].column;
	return column_of(d, ev, key, position);
}

/* The next member in a few steps, as most are: its key is the one seen at this position in the record before, a colon
 * follows at once, and its value is a number or a string. 0: it is not like that, and fl_members_next sees to it. */
static inline int next_seen(struct fl_members *m, const struct fl_json_seen *s, struct fl_member *f)
{
	const char *p = m->p;
	uint32_t k = m->k;
	if (k != m->first && p[m->at[k++]] != ',')
		return 0;
	const uint32_t *at = m->at + k;
	if (m->n - k < 4 || at[1] - at[0] != s->len || p[at[1]] != ':' || !is_seen(s, p + at[0]) || at[3] >= m->end)
		return 0;
	char c = p[at[2]];
	if ((unsigned char)(c - '0') > 9 && c != '"' && c != '-')
		return 0;
	*f = (struct fl_member){at[0] + 1, at[1] - 1, at[2], fl_members_trim(p, at[3])};
	m->k = k + 3;
	return 1;
}

inline int fl_json_open(struct fl_decoder *d, struct fl_str record, struct fl_members *m)
{
	*m = (struct fl_members){.p = record.p, .end = record.len, .depth = d->limits.depth};
	if (fl_index_text(d->index, record.p, record.len, &m->at, &m->n) < 0)
		return -1;
	return fl_members_open(m) ? 0 : -1;
}

/* What became of reading a record. */
enum read { READ, MALFORMED, UNREADABLE, HUGE_NUMBER };

static enum read read_string(struct fl_events *ev, struct fl_column *c, uint32_t i, const char *p, uint32_t len)
{
	c->str[i] = (struct fl_str){p, len};
	c->type[i] = FL_STRING;
	if (!memchr(p, '\\', len))
		return READ;
	char *to = fl_arena_alloc(&ev->arena, len);
	if (fl_json_unescape(to, p, len, &c->str[i].len) < 0)
		return UNREADABLE;
	c->str[i].p = to;
	return READ;
}

static enum read read_number(struct fl_column *c, uint32_t i, const char *p, uint32_t len)
{
	int64_t integer;
	int is_unsigned;
	int got = fl_number_read(p, len, &c->num[i], &integer, &is_unsigned);
	if (got == 1) {
		c->type[i] = FL_NUMBER;
		return READ;
	}
	if (got != 2)
		return got < 0 ? HUGE_NUMBER : UNREADABLE;
	c->type[i] = FL_BIGINT;
	c->str[i] = (struct fl_str){p, len};
	return READ;
}

static enum read read_word(struct fl_column *c, uint32_t i, const char *p, uint32_t len)
{
	if (len == 4 && memcmp(p, "null", 4) == 0) {
		c->type[i] = FL_NULL;
	} else if (len == 4 && memcmp(p, "true", 4) == 0) {
		c->type[i] = FL_BOOL;
		c->num[i] = 1;
	} else if (len == 5 && memcmp(p, "false", 5) == 0) {
		c->type[i] = FL_BOOL;
		c->num[i] = 0;
	} else {
		return UNREADABLE;
	}
	return READ;
}

/* The value of a member that somebody named. */
static inline enum read read_value(struct fl_decoder *d, struct fl_events *ev, struct fl_column *c, uint32_t i,
	const char *p, uint32_t len)
{
	char first = p[0], err[FL_ERRLEN];
	if (first == '"')
		return read_string(ev, c, i, p + 1, len - 2);
	if (first == '-' || (first >= '0' && first <= '9'))
		return read_number(c, i, p, len);
	if (first != '{' && first != '[')
		return read_word(c, i, p, len);
	c->type[i] = FL_NESTED;
	c->str[i] = (struct fl_str){p, len};
	return fl_json_check(c->str[i], d->limits.depth - 1, err) < 0 ? UNREADABLE : READ;
}

/* Columns from..to of record i, whose members are at; they count from `start`, where the record begins in their text.
 * *bad is the member that could not be read, counted from the record's beginning. */
static enum read read_members(struct fl_decoder *d, struct fl_events *ev, uint32_t i, struct fl_members *at, uint32_t start,
	uint32_t from, uint32_t to, struct fl_member *bad)
{
	struct fl_members m = *at; /* in registers: what is stored in columns could change *at, for all the compiler knows */
	struct fl_member f;
	const char *record = ev->b.value[i].p;
	int more = 1;
	for (uint32_t position = 0;; position++) {
		const struct fl_json_seen *s = &d->seen[position < SEEN ? position : SEEN - 1];
		int32_t col = s->column;
		if (!next_seen(&m, s, &f)) {
			more = fl_members_next(&m, &f);
			if (more <= 0)
				break;
			col = fl_json_column(d, ev, (struct fl_str){m.p + f.key, f.key_end - f.key}, position);
			if (col < 0)
				return MALFORMED;
		}
		if ((uint32_t)col - from >= to - from)
			continue;
		struct fl_column *c = ev->b.column[col];
		c->at[i] = f.value - start;
		c->len[i] = f.value_end - f.value;
		enum read r = read_value(d, ev, c, i, record + c->at[i], c->len[i]);
		if (r != READ) {
			*bad = (struct fl_member){f.key - start, f.key_end - start, f.value - start, f.value_end - start};
			return r;
		}
	}
	at->k = m.k;
	return more < 0 ? MALFORMED : READ;
}

static void reject(struct fl_events *ev, uint32_t i, const char *text)
{
	fl_events_reject(ev, i, "decode", (struct fl_str){0}, fl_str(text));
}

static int shown(uint32_t begin, uint32_t end) { return (int)(end - begin < 64 ? end - begin : 64); }

/* One sentence on what is wrong with a record that could not be read: found by a strict walk, off the fast path. */
static void explain(struct fl_decoder *d, struct fl_events *ev, uint32_t i, enum read r, const struct fl_member *bad)
{
	char err[FL_ERRLEN], text[2 * FL_ERRLEN];
	struct fl_str record = ev->b.value[i];
	if (r == HUGE_NUMBER)
		snprintf(text, sizeof text,
			"the field \"%.*s\" holds the number %.*s, which is beyond the range of a double, at byte %u",
			shown(bad->key, bad->key_end), record.p + bad->key, shown(bad->value, bad->value_end),
			record.p + bad->value, bad->value);
	else if (fl_json_check(record, d->limits.depth, err) < 0)
		snprintf(text, sizeof text, "the record is not valid JSON: %s", err);
	else
		snprintf(text, sizeof text, "the record is JSON, but not an object; records of the codec json are objects");
	reject(ev, i, text);
}

static void forget(struct fl_events *ev, uint32_t i, uint32_t from, uint32_t to)
{
	for (uint32_t c = from; c < to; c++) {
		ev->b.column[c]->type[i] = FL_ABSENT;
		ev->b.column[c]->at[i] = UINT32_MAX;
	}
}

__attribute__((noinline)) static void reject_long(const struct fl_decoder *d, struct fl_events *ev, uint32_t i)
{
	char text[FL_ERRLEN];
	snprintf(text, sizeof text, "the record has %u bytes; %u are allowed (limit \"record\")", ev->b.value[i].len, d->limits.record);
	reject(ev, i, text);
}

/* Whether record i is to be read; one that is too long is rejected. */
static inline int is_due(const struct fl_decoder *d, struct fl_events *ev, uint32_t i)
{
	struct fl_str record = ev->b.value[i];
	if (ev->b.outcome[i] != FL_PASS || !record.p)
		return 0;
	if (record.len > d->limits.record)
		reject_long(d, ev, i);
	return record.len <= d->limits.record;
}

/* The records from first on that are indexed as one text, with a line feed between them: up to the returned one, and
 * where they don't stand in memory like that, they are copied. */
static uint32_t join(struct fl_decoder *d, struct fl_events *ev, uint32_t first, struct fl_str *text)
{
	const struct fl_str *v = ev->b.value;
	uint32_t end = first + 1, size = v[first].len;
	int apart = 0;
	for (; end < ev->b.n && size + v[end].len < PIECE && is_due(d, ev, end); end++) {
		apart |= v[end].p != v[end - 1].p + v[end - 1].len + 1 || v[end].p[-1] != '\n';
		size += 1 + v[end].len;
	}
	*text = (struct fl_str){v[first].p, size};
	if (!apart)
		return end;
	d->joined.len = 0;
	fl_buf_room(&d->joined, size + 1 + FL_PAD);
	for (uint32_t i = first; i < end; i++) {
		fl_buf_add(&d->joined, v[i].p, v[i].len);
		fl_buf_byte(&d->joined, '\n');
	}
	text->p = d->joined.p;
	return end;
}

/* Records first to end, which stand in text. A line feed in a string is an error of the index, so that nothing of a
 * record with half a string gets into the next; then each is indexed alone. */
static void decode_joined(struct fl_decoder *d, struct fl_events *ev, uint32_t first, uint32_t end, struct fl_str text,
	uint32_t from, uint32_t to)
{
	struct fl_members all = {.p = text.p, .depth = d->limits.depth};
	int indexed = fl_index_text(d->index, text.p, text.len, &all.at, &all.n) == 0;
	uint32_t start = 0;
	char err[FL_ERRLEN];
	for (uint32_t i = first; i < end; i++) {
		struct fl_str record = ev->b.value[i];
		struct fl_member bad = {0};
		struct fl_members one, *m = indexed ? &all : &one;
		enum read r = MALFORMED;
		all.end = start + record.len;
		if (indexed ? fl_members_open(&all) : fl_json_open(d, record, &one) == 0)
			r = read_members(d, ev, i, m, indexed ? start : 0, from, to, &bad);
		if (r == READ && d->limits.full && from == 0 && fl_json_check(record, d->limits.depth, err) < 0)
			r = MALFORMED;
		if (r != READ) {
			explain(d, ev, i, r, &bad);
			forget(ev, i, from, to);
		}
		start += record.len + 1;
		while (indexed && all.k < all.n && all.at[all.k] < start)
			all.k++;
	}
}

static void json_decode(struct fl_decoder *d, struct fl_events *ev, uint32_t from, uint32_t to)
{
	if (d->columns != ev->b.columns)
		learn(d, ev);
	for (uint32_t i = 0; i < ev->b.n;) {
		struct fl_str text;
		if (!is_due(d, ev, i)) {
			i++;
			continue;
		}
		uint32_t end = join(d, ev, i, &text);
		decode_joined(d, ev, i, end, text, from, to);
		i = end;
	}
}

const struct fl_codec fl_codec_json = {
	.name = "json",
	.open = json_open,
	.close = json_close,
	.decode = json_decode,
	.encode = fl_json_encode,
};
