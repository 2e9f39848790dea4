/* The codecs text and bytes: a record is one field, "value"; text is UTF-8. Written from another codec they hold the
 * content of the field "value" alone. Called once a batch, and for each record written, on the batch's thread. */
#include <stdlib.h>

#include "batch.h"
#include "utf8.h"

struct fl_decoder {
	struct fl_limits limits;
};

static struct fl_decoder *text_open(struct fl_limits limits)
{
	struct fl_decoder *d = fl_alloc(sizeof *d);
	d->limits = limits;
	return d;
}

static void text_close(struct fl_decoder *d) { free(d); }

/* 0: what is wrong with the record is in err. */
static int valid(const struct fl_decoder *d, struct fl_str record, int utf8, char *err)
{
	uint32_t good = utf8 && record.len <= d->limits.record ? fl_utf8_check(record.p, record.len) : record.len;
	if (record.len > d->limits.record)
		fl_err(err, "the record has %u bytes; %u are allowed (limit \"record\")", record.len, d->limits.record);
	else if (good < record.len)
		fl_err(err, "the record is not UTF-8 at byte %u; the codec bytes takes any", good);
	else
		return 1;
	return 0;
}

static void decode(struct fl_decoder *d, struct fl_events *ev, uint32_t from, uint32_t to, int utf8)
{
	char err[FL_ERRLEN];
	struct fl_column *c = NULL;
	for (uint32_t k = from; k < to; k++)
		if (fl_str_eq(ev->b.column[k]->name, fl_str("value")))
			c = ev->b.column[k];
	for (uint32_t i = 0; i < ev->b.n; i++) {
		struct fl_str record = ev->b.value[i];
		if (ev->b.outcome[i] != FL_PASS || !record.p)
			continue;
		if (from == 0 && !valid(d, record, utf8, err)) {
			fl_events_reject(ev, i, "decode", (struct fl_str){0}, fl_str(err));
		} else if (c) {
			c->type[i] = FL_STRING;
			c->str[i] = record;
			c->at[i] = 0;
			c->len[i] = record.len;
		}
	}
}

static void text_decode(struct fl_decoder *d, struct fl_events *ev, uint32_t from, uint32_t to)
{
	decode(d, ev, from, to, 1);
}

static void bytes_decode(struct fl_decoder *d, struct fl_events *ev, uint32_t from, uint32_t to)
{
	decode(d, ev, from, to, 0);
}

static int encode(struct fl_events *ev, uint32_t i, struct fl_buf *out, const char *codec, char *err)
{
	struct fl_str record = ev->b.value[i];
	int own = ev->codec == &fl_codec_text || ev->codec == &fl_codec_bytes;
	if (!ev->b.touched[i] && (own || !record.p)) {
		if (record.p)
			fl_buf_add(out, record.p, record.len);
		return 0;
	}
	uint32_t col = fl_events_column(ev, fl_str("value"));
	struct fl_str content = {0};
	if (col != FL_NO_FIELD)
		content = fl_events_key(ev, col, i);
	if (!content.p)
		return fl_err(err, "the codec %s writes the content of the field \"value\", and the event has none", codec);
	fl_buf_add(out, content.p, content.len);
	return 0;
}

static int bytes_encode(struct fl_events *ev, uint32_t i, struct fl_buf *out, char *err)
{
	return encode(ev, i, out, "bytes", err);
}

static int text_encode(struct fl_events *ev, uint32_t i, struct fl_buf *out, char *err)
{
	size_t before = out->len;
	if (encode(ev, i, out, "text", err) < 0)
		return -1;
	/* Decoded text that nobody wrote to is UTF-8; anything else may not be. */
	if (ev->codec == &fl_codec_text && !ev->b.touched[i])
		return 0;
	uint32_t n = (uint32_t)(out->len - before);
	if (fl_utf8_check(out->p + before, n) != n)
		return fl_err(err, "the field \"value\" is not UTF-8, which the codec text needs");
	return 0;
}

const struct fl_codec fl_codec_text = {"text", text_open, text_close, text_decode, text_encode};
const struct fl_codec fl_codec_bytes = {"bytes", text_open, text_close, bytes_decode, bytes_encode};
