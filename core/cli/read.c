/* Reads streams for tail and dlq, beside the daemon. Main thread. */
#include "read.h"

#include <stdlib.h>

#include "../event/header.h"
#include "../event/json.h"
#include "../event/number.h"

struct part {
	int64_t next, first, end;
	struct fl_segment *segment;
	size_t at;
	int64_t at_offset;
};

struct fl_scan {
	struct fl_streams *st;
	struct fl_reader *reader;
	uint32_t stream, parts;
	struct part *part;
	uint32_t current; /* whose segment is being read */
};

struct fl_scan *fl_scan_open(struct fl_streams *st, const char *stream, int64_t from, char *err)
{
	struct fl_scan *sc = fl_alloc(sizeof *sc);
	sc->st = st;
	int s = st->ops->declare(st, &(struct fl_stream_def){.name = stream}, err);
	if (s < 0 || !(sc->reader = st->ops->reader(st, err)))
		goto fail;
	sc->stream = (uint32_t)s;
	sc->parts = st->ops->partitions(st, sc->stream);
	sc->part = fl_alloc(sc->parts * sizeof *sc->part);
	for (uint32_t k = 0; k < sc->parts; k++) {
		struct part *p = &sc->part[k];
		if (st->ops->bounds(st, sc->stream, k, &p->first, &p->end, err) < 0)
			goto fail;
		p->end = st->ops->end(st, sc->stream, k);
		p->next = from < p->first ? p->first : from > p->end ? p->end : from;
	}
	return sc;
fail:
	fl_scan_close(sc);
	return NULL;
}

int fl_scan_last(struct fl_scan *sc, uint64_t n)
{
	int whole = 1;
	for (uint32_t k = 0; k < sc->parts; k++) {
		struct part *p = &sc->part[k];
		int64_t from = (uint64_t)p->end > n ? p->end - (int64_t)n : 0;
		p->next = from > p->first ? from : p->first;
		whole &= p->next == p->first;
		fl_segment_unref(p->segment);
		p->segment = NULL;
	}
	return whole;
}

void fl_scan_close(struct fl_scan *sc)
{
	for (uint32_t k = 0; k < sc->parts && sc->part; k++)
		fl_segment_unref(sc->part[k].segment);
	if (sc->reader)
		sc->st->ops->reader_close(sc->reader);
	free(sc->part);
	free(sc);
}

/* The segment of a partition at its next offset, if it is not there already. */
static int load(struct fl_scan *sc, struct part *p, uint32_t k, char *err)
{
	if (p->segment)
		return 1;
	int rc = sc->st->ops->read(sc->reader, sc->stream, k, p->next, &p->segment, err);
	p->at = 0;
	p->at_offset = rc > 0 ? p->segment->base : 0;
	return rc;
}

/* The partition whose next segment was committed first; -1: none has one, -2: err. */
static int earliest(struct fl_scan *sc, char *err)
{
	int best = -1;
	for (uint32_t k = 0; k < sc->parts; k++) {
		int rc = load(sc, &sc->part[k], k, err);
		if (rc < 0)
			return -2;
		if (rc > 0 && (best < 0 || sc->part[k].segment->time < sc->part[best].segment->time))
			best = (int)k;
	}
	return best;
}

int fl_scan_next(struct fl_scan *sc, struct fl_scanned *out, char *err)
{
	for (;;) {
		struct part *p = &sc->part[sc->current];
		if (!p->segment || p->at == 0) {
			int k = earliest(sc, err);
			if (k < 0)
				return k == -1 ? 0 : -1;
			sc->current = (uint32_t)k;
			p = &sc->part[k];
		}
		int rc;
		while ((rc = fl_segment_next(p->segment, &p->at, &out->r)) > 0) {
			out->offset = p->at_offset++;
			out->partition = sc->current;
			if (out->offset < p->next)
				continue;
			p->next = out->offset + 1;
			return 1;
		}
		if (rc < 0)
			return fl_err(err, "the records from offset %lld of partition %u on are damaged", (long long)p->at_offset, sc->current);
		p->next = p->at_offset > p->next ? p->at_offset : p->next;
		fl_segment_unref(p->segment);
		p->segment = NULL;
	}
}

void fl_scan_wait(struct fl_scan *sc, double seconds) { sc->st->ops->wait(sc->reader, seconds); }

/* ---- a record as JSON ------------------------------------------------------------------------------------------ */

static void base64(struct fl_buf *out, struct fl_str s)
{
	static const char D[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)s.p;
	fl_buf_byte(out, '"');
	for (uint32_t i = 0; i < s.len; i += 3) {
		uint32_t left = s.len - i, v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
		fl_buf_byte(out, D[v >> 18]);
		fl_buf_byte(out, D[v >> 12 & 63]);
		fl_buf_byte(out, left > 1 ? D[v >> 6 & 63] : '=');
		fl_buf_byte(out, left > 2 ? D[v & 63] : '=');
	}
	fl_buf_byte(out, '"');
}

/* "name":text, or "name_base64" where it is no text. */
static void member(struct fl_buf *out, const char *name, struct fl_str s)
{
	size_t at = out->len;
	fl_buf_printf(out, "\"%s\":", name);
	if (!s.p) {
		FL_BUF_LIT(out, "null");
		return;
	}
	if (fl_json_string(out, s) == 0)
		return;
	out->len = at;
	fl_buf_printf(out, "\"%s_base64\":", name);
	base64(out, s);
}

static void headers(struct fl_buf *out, struct fl_str h)
{
	struct fl_str name, value;
	int any = 0;
	FL_BUF_LIT(out, "\"headers\":{");
	for (uint32_t at = 0; fl_header_next(h, &at, &name, &value); any = 1) {
		if (any)
			fl_buf_byte(out, ',');
		if (fl_json_string(out, name) < 0)
			base64(out, name);
		fl_buf_byte(out, ':');
		if (fl_json_string(out, value) < 0)
			base64(out, value);
	}
	fl_buf_byte(out, '}');
}

void fl_scan_meta(const char *stream, const struct fl_scanned *s, struct fl_buf *out)
{
	char err[FL_ERRLEN];
	fl_buf_byte(out, '{');
	member(out, "stream", fl_str(stream));
	fl_buf_printf(out, ",\"partition\":%u,\"offset\":%lld,\"time\":", s->partition, (long long)s->offset);
	out->len += fl_number_write(fl_buf_room(out, FL_NUMBER_MAX), s->r.time);
	fl_buf_byte(out, ',');
	member(out, "key", s->r.key);
	fl_buf_byte(out, ',');
	headers(out, s->r.headers);
	fl_buf_byte(out, ',');
	if (s->r.value.p && fl_json_check(s->r.value, 1024, err) == 0) {
		FL_BUF_LIT(out, "\"value\":");
		fl_buf_add(out, s->r.value.p, s->r.value.len);
	} else {
		member(out, "value", s->r.value);
	}
	FL_BUF_LIT(out, "}\n");
}
