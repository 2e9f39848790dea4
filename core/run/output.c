/* Collects or prints the records that tasks write. Called by line.c, dead.c and source.c on the thread that owns it. */
#include "output.h"

#include <math.h>
#include <stdlib.h>

void fl_output_open(struct fl_output *out, const struct fl_plan *plan, struct fl_printer *printer)
{
	*out = (struct fl_output){.plan = plan, .printer = printer};
	out->part = fl_alloc(plan->streams * sizeof *out->part);
	out->probe = fl_alloc(plan->streams * sizeof *out->probe);
}

/* ---- key and time of records that no pipeline has decoded ------------------------------------------------------ */

struct fl_probe {
	struct fl_fields *fields;
	struct fl_events *ev;
	uint32_t key, time; /* columns */
	struct fl_buf bytes;
};

static struct fl_probe *probe_of(struct fl_output *out, uint32_t stream)
{
	if (out->probe[stream])
		return out->probe[stream];
	const struct fl_plan_stream *s = &out->plan->stream[stream];
	struct fl_probe *p = fl_alloc(sizeof *p);
	p->fields = fl_fields_new();
	p->ev = fl_events_new(p->fields, s->codec, s->limits, 0);
	p->key = s->key ? fl_fields_add(p->fields, fl_str(s->key)) : FL_NO_FIELD;
	p->time = s->time.field ? fl_fields_add(p->fields, fl_str(s->time.field)) : FL_NO_FIELD;
	return out->probe[stream] = p;
}

static void probe_free(struct fl_probe *p)
{
	if (!p)
		return;
	fl_events_free(p->ev);
	fl_fields_free(p->fields);
	fl_buf_free(&p->bytes);
	free(p);
}

static void write_whole(struct fl_output *out, uint32_t stream, const struct fl_record *r)
{
	struct fl_out_mark m;
	struct fl_buf *b = fl_output_begin(out, &m, stream, r);
	fl_buf_add(b, r->value.p, r->value.len);
	fl_output_end(out, &m);
}

/* Decodes the probe's batch and writes its records. One that its codec can't read goes as it is: its reader will say so
 * with its origin. */
static void probe_write(struct fl_output *out, uint32_t stream, struct fl_probe *p)
{
	struct fl_events *ev = p->ev;
	const struct fl_plan_stream *s = &out->plan->stream[stream];
	fl_events_decode(ev);
	for (uint32_t i = 0; i < ev->b.n; i++) {
		struct fl_record r = {ev->b.time[i], ev->b.key[i], ev->b.headers[i], ev->b.value[i]};
		if (ev->b.outcome[i] == FL_PASS && p->key != FL_NO_FIELD && !r.key.p)
			r.key = fl_events_key(ev, p->key, i);
		if (ev->b.outcome[i] == FL_PASS && p->time != FL_NO_FIELD)
			fl_time_of_cell(ev, &s->time, p->time, i, &r.time);
		write_whole(out, stream, &r);
	}
}

static int needs_probe(const struct fl_plan_stream *s, const struct fl_record *r)
{
	return (s->key && !r->key.p) || s->time.field;
}

void fl_output_raw(struct fl_output *out, uint32_t stream, struct fl_record r)
{
	if (!r.value.p || !needs_probe(&out->plan->stream[stream], &r)) {
		write_whole(out, stream, &r);
		return;
	}
	struct fl_probe *p = probe_of(out, stream);
	p->bytes.len = 0;
	fl_buf_add(&p->bytes, r.value.p, r.value.len);
	fl_buf_room(&p->bytes, FL_PAD);
	fl_events_begin(p->ev, out->plan->stream[stream].name, 0, r.time);
	fl_events_add(p->ev, 0, r.time, r.key, (struct fl_str){p->bytes.p, r.value.len}, r.headers);
	probe_write(out, stream, p);
}

void fl_output_emitted(struct fl_output *out, struct fl_events *ev, uint32_t to)
{
	struct fl_probe *p = probe_of(out, to);
	const char *name = out->plan->stream[to].name;
	for (uint32_t k = 0; k < ev->emits;) {
		fl_events_begin(p->ev, name, 0, ev->b.now);
		for (; k < ev->emits && p->ev->b.n < p->ev->capacity; k++) {
			const struct fl_emitted *e = &ev->emitted[k];
			out->turn++;
			if (e->stream != FL_NO_STREAM && e->stream != to)
				fl_output_raw(out, e->stream, (struct fl_record){e->time, e->key, e->headers, e->value});
			else
				fl_events_add(p->ev, 0, e->time, e->key, e->value, e->headers);
		}
		probe_write(out, to, p);
	}
}

/* ---- collecting ------------------------------------------------------------------------------------------------ */

static struct fl_out_part *part_of(struct fl_output *out, uint32_t stream, struct fl_str key)
{
	uint32_t n = out->plan->stream[stream].partitions;
	if (!out->part[stream])
		out->part[stream] = fl_alloc(n * sizeof **out->part);
	uint32_t k = n == 1 ? 0 : fl_partition_of(key, out->turn, n);
	return &out->part[stream][k];
}

void fl_output_from(struct fl_output *out, const struct fl_events *ev, uint32_t i)
{
	out->turn = i < ev->b.n ? (uint64_t)ev->b.offset[i] : (uint64_t)ev->b.now; /* a tick: by its second */
	if (out->order)
		out->order->at = out->order->first + i;
}

static struct fl_buf *print_begin(struct fl_output *out, struct fl_out_mark *m, uint32_t stream, const struct fl_record *r)
{
	struct fl_printer *p = out->printer;
	m->buf = !p->streams && stream != p->to ? &p->waste : out->order ? &out->order->bytes : &p->buf;
	m->at = m->buf->len;
	if (p->streams) {
		const char *name = out->plan->stream[stream].name;
		fl_buf_add(m->buf, name, strlen(name));
		fl_buf_byte(m->buf, '\t');
		fl_buf_add(m->buf, r->key.p, r->key.len);
		fl_buf_byte(m->buf, '\t');
	}
	return m->buf;
}

struct fl_buf *fl_output_begin(struct fl_output *out, struct fl_out_mark *m, uint32_t stream, const struct fl_record *r)
{
	m->tombstone = !r->value.p;
	if (out->printer)
		return print_begin(out, m, stream, r);
	m->part = part_of(out, stream, r->key);
	m->buf = out->order ? &out->order->bytes : &m->part->buf;
	m->at = fl_segment_begin(m->buf, r->time, r->key, r->headers);
	m->begin = m->buf->len;
	return m->buf;
}

void fl_output_end(struct fl_output *out, struct fl_out_mark *m)
{
	if (out->printer) {
		fl_buf_byte(m->buf, '\n');
		out->printer->waste.len = 0;
		if (out->order && m->buf == &out->order->bytes)
			fl_order_hold(out->order, m->at, NULL);
		return;
	}
	if (m->tombstone && m->buf->len == m->begin)
		fl_segment_end_tombstone(m->buf, m->at);
	else
		fl_segment_end(m->buf, m->at);
	out->bytes += m->buf->len - m->at;
	if (out->order)
		fl_order_hold(out->order, m->at, m->part);
	else
		m->part->n++;
}

void fl_output_cancel(struct fl_output *out, struct fl_out_mark *m)
{
	if (out->printer)
		m->buf->len = m->at;
	else
		fl_segment_cancel(m->buf, m->at);
}

void fl_output_hold(struct fl_output *out, struct fl_order *order) { out->order = order; }

static void put_held(void *arg, struct fl_out_part *part, struct fl_str bytes)
{
	struct fl_output *out = arg;
	fl_buf_add(part ? &part->buf : &out->printer->buf, bytes.p, bytes.len);
	if (part)
		part->n++;
}

void fl_output_release(struct fl_output *out)
{
	fl_order_release(out->order, put_held, out);
	out->order = NULL;
}

/* ---- the next commit ------------------------------------------------------------------------------------------- */

uint32_t fl_output_parts(const struct fl_output *out)
{
	uint32_t n = 0;
	for (uint32_t s = 0; s < out->plan->streams; s++)
		for (uint32_t k = 0; out->part[s] && k < out->plan->stream[s].partitions; k++)
			n += out->part[s][k].n > 0;
	return n;
}

void fl_output_take(struct fl_output *out, struct fl_txn *txn, const int *stream_of)
{
	for (uint32_t s = 0; s < out->plan->streams; s++)
		for (uint32_t k = 0; out->part[s] && k < out->plan->stream[s].partitions; k++) {
			struct fl_out_part *part = &out->part[s][k];
			if (!part->n)
				continue;
			struct fl_segment *seg = fl_segment_take(&part->buf, part->n);
			part->n = 0;
			txn->append[txn->appends++] = (struct fl_append){(uint32_t)stream_of[s], k, seg};
			txn->bytes += seg->size;
		}
	out->bytes = 0;
}

void fl_output_drop(struct fl_output *out)
{
	for (uint32_t s = 0; s < out->plan->streams; s++)
		for (uint32_t k = 0; out->part[s] && k < out->plan->stream[s].partitions; k++) {
			out->part[s][k].buf.len = 0;
			out->part[s][k].n = 0;
		}
	out->bytes = 0;
}

void fl_output_close(struct fl_output *out)
{
	for (uint32_t s = 0; s < out->plan->streams; s++) {
		probe_free(out->probe[s]);
		for (uint32_t k = 0; out->part[s] && k < out->plan->stream[s].partitions; k++)
			fl_buf_free(&out->part[s][k].buf);
		free(out->part[s]);
	}
	free(out->part);
	free(out->probe);
}
