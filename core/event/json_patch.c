/* Events as JSON objects: the record's bytes are copied and only what was written is put into them. Also objects from
 * records of the other codecs. Called for each record that is written to a stream of JSON, on the batch's thread. */
#include <math.h>

#include "json.h"
#include "json_decoder.h"
#include "number.h"

#define SHORT 32 /* bytes of a name that are copied as one piece */

/* What was written to one event. */
struct changes {
	uint32_t replaced, appended; /* how many of each below */
	int removed;                 /* any member at all */
	uint16_t replace[FL_COLUMNS_MAX]; /* columns by their place in the record */
	uint16_t append[FL_COLUMNS_MAX];  /* columns in the order of writing */
};

/* The field can't be said in JSON. */
__attribute__((noinline)) static int refuse(const struct fl_column *c, const char *what, char *err)
{
	return fl_err(err, "the field \"%.*s\" %s, which JSON can't say", (int)(c->name.len < 64 ? c->name.len : 64), c->name.p,
		what);
}

static int write_cell(struct fl_buf *out, const struct fl_column *c, uint32_t i, char *err)
{
	switch ((enum fl_type)c->type[i]) {
	case FL_NUMBER:
		if (!isfinite(c->num[i]))
			return refuse(c, "is not a finite number", err);
		out->len += fl_number_write(fl_buf_room(out, FL_NUMBER_MAX), c->num[i]);
		return 0;
	case FL_STRING:
		return fl_json_string(out, c->str[i]) < 0 ? refuse(c, "was set to a text that is not UTF-8", err) : 0;
	case FL_BOOL:
		if (c->num[i] != 0)
			FL_BUF_LIT(out, "true");
		else
			FL_BUF_LIT(out, "false");
		return 0;
	case FL_NESTED:
	case FL_BIGINT:
		fl_buf_add(out, c->str[i].p, c->str[i].len);
		return 0;
	case FL_NULL:
	case FL_ABSENT: /* is never written: removed members are left out before */
		break;
	}
	FL_BUF_LIT(out, "null");
	return 0;
}

/* ,"name":value; at the beginning of an object without the comma. */
static int append_member(struct fl_events *ev, struct fl_buf *out, uint32_t col, uint32_t i, int first, char *err)
{
	struct fl_str member = fl_fields_member(ev->fields, col);
	const struct fl_column *c = ev->b.column[col];
	if (!member.p)
		return fl_err(err, "a field was written whose name is not UTF-8, which JSON can't say");
	member = (struct fl_str){member.p + first, member.len - (uint32_t)first};
	if (member.len <= SHORT && c->type[i] == FL_NUMBER && isfinite(c->num[i])) { /* as most are, without calls to copy */
		char *to = fl_buf_room(out, SHORT + FL_NUMBER_MAX);
		memcpy(to, member.p, SHORT);
		out->len += member.len + fl_number_write(to + member.len, c->num[i]);
		return 0;
	}
	fl_buf_add(out, member.p, member.len);
	return write_cell(out, c, i, err);
}

static int append_all(struct fl_events *ev, struct fl_buf *out, const struct changes *ch, uint32_t i, int first, char *err)
{
	for (uint32_t k = 0; k < ch->appended; k++, first = 0)
		if (append_member(ev, out, ch->append[k], i, first, err) < 0)
			return -1;
	return 0;
}

/* Puts column col into a list that is sorted by key[i] of its columns (few, and mostly in order already). */
static inline void insert(const struct fl_events *ev, uint16_t *list, uint32_t *n, uint32_t col, uint32_t i, int by_place)
{
	uint32_t k = (*n)++;
	for (; k > 0; k--) {
		const struct fl_column *a = ev->b.column[list[k - 1]], *b = ev->b.column[col];
		if (by_place ? a->at[i] < b->at[i] : a->dirty[i] <= b->dirty[i])
			break;
		list[k] = list[k - 1];
	}
	list[k] = (uint16_t)col;
}

static void collect(const struct fl_events *ev, uint32_t i, struct changes *ch)
{
	ch->replaced = ch->appended = 0;
	ch->removed = 0;
	for (uint32_t col = 0; col < ev->b.columns; col++) {
		const struct fl_column *c = ev->b.column[col];
		if (!c->written || !c->dirty[i])
			continue;
		int there = c->at[i] != UINT32_MAX;
		if (c->type[i] == FL_ABSENT)
			ch->removed |= there;
		else if (there)
			insert(ev, ch->replace, &ch->replaced, col, i, 1);
		else
			insert(ev, ch->append, &ch->appended, col, i, 0);
	}
}

/* Nothing removed: the record up to each changed value, the value, the rest, new members before the last bracket. */
static int patch(struct fl_events *ev, uint32_t i, const struct changes *ch, struct fl_buf *out, char *err)
{
	struct fl_str record = ev->b.value[i];
	uint32_t done = 0, end = record.len;
	fl_buf_room(out, (size_t)record.len + 256);
	for (uint32_t k = 0; k < ch->replaced; k++) {
		const struct fl_column *c = ev->b.column[ch->replace[k]];
		fl_buf_add(out, record.p + done, c->at[i] - done);
		if (write_cell(out, c, i, err) < 0)
			return -1;
		done = c->at[i] + c->len[i];
	}
	if (ch->appended) {
		end = fl_members_trim(record.p, end) - 1; /* the closing bracket */
		int empty = record.p[fl_members_trim(record.p, end) - 1] == '{';
		fl_buf_add(out, record.p + done, end - done);
		if (append_all(ev, out, ch, i, empty, err) < 0)
			return -1;
		done = end;
	}
	fl_buf_add(out, record.p + done, record.len - done);
	return 0;
}

/* Some removed, all of their names: member by member, a removed one with the comma before it (or behind it, where it is
 * the first). */
__attribute__((noinline)) static int patch_members(struct fl_events *ev, uint32_t i, const struct changes *ch, struct fl_buf *out, char *err)
{
	struct fl_members m;
	struct fl_member f = {0};
	struct fl_str record = ev->b.value[i];
	int opened = fl_json_open(ev->decoder, record, &m);
	FL_ASSERT(opened == 0);
	const char *p = record.p;
	uint32_t done = 0, kept = 0, comma, count = 0;
	for (; comma = m.at[m.k], fl_members_next(&m, &f) > 0; count++) {
		int32_t col = fl_json_column(ev->decoder, ev, (struct fl_str){p + f.key, f.key_end - f.key}, count);
		FL_ASSERT(col >= 0);
		const struct fl_column *c = col == FL_NO_COLUMN ? NULL : ev->b.column[col];
		if (count == 0)
			fl_buf_add(out, p, f.key - 1);
		if (kept == 0)
			done = f.key - 1;
		if (c && c->dirty[i] && c->type[i] == FL_ABSENT) {
			fl_buf_add(out, p + done, kept ? comma - done : 0);
			done = f.value_end;
			continue;
		}
		kept++;
		if (c && c->dirty[i] && c->at[i] == f.value) {
			fl_buf_add(out, p + done, f.value - done);
			if (write_cell(out, c, i, err) < 0)
				return -1;
			done = f.value_end;
		}
	}
	uint32_t end = m.at[m.k];
	fl_buf_add(out, p + done, end - done);
	if (append_all(ev, out, ch, i, kept == 0, err) < 0)
		return -1;
	fl_buf_add(out, p + end, record.len - end);
	return 0;
}

/* An object of the written fields, behind {"value": the record} where it is of the codecs text or bytes. */
__attribute__((noinline)) static int build(struct fl_events *ev, uint32_t i, struct changes *ch, struct fl_buf *out, char *err)
{
	struct fl_str record = ev->b.value[i];
	int first = 1, whole = record.p != NULL && ev->codec != &fl_codec_json;
	for (uint32_t col = 0; whole && col < ev->b.columns; col++)
		if (fl_str_eq(ev->b.column[col]->name, fl_str("value")) && ev->b.column[col]->dirty[i])
			whole = 0; /* written: it is among the changes, or was removed */
	fl_buf_byte(out, '{');
	if (whole) {
		FL_BUF_LIT(out, "\"value\":");
		if (fl_json_string(out, record) < 0)
			return fl_err(err, "the record is not UTF-8, which JSON can't say");
		first = 0;
	}
	for (uint32_t k = 0; k < ch->replaced; k++, first = 0)
		if (append_member(ev, out, ch->replace[k], i, first, err) < 0)
			return -1;
	if (append_all(ev, out, ch, i, first, err) < 0)
		return -1;
	fl_buf_byte(out, '}');
	return 0;
}

int fl_json_encode(struct fl_events *ev, uint32_t i, struct fl_buf *out, char *err)
{
	struct fl_str record = ev->b.value[i];
	struct changes ch;
	int own = ev->codec == &fl_codec_json;
	if (!ev->b.touched[i] && (own || !record.p)) {
		if (record.p)
			fl_buf_add(out, record.p, record.len);
		return 0;
	}
	collect(ev, i, &ch);
	if (!own || !record.p)
		return build(ev, i, &ch, out, err);
	return ch.removed ? patch_members(ev, i, &ch, out, err) : patch(ev, i, &ch, out, err);
}
