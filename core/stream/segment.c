/* Segments: building them record by record, stepping through them, and their references. Called by whoever makes or
 * reads records, on any thread; a segment that is being built (struct fl_buf) belongs to one. */
#include "segment.h"

#include <stdlib.h>

#include "../event/codec.h"

/* Unaligned in memory, little-endian as the machine: the file is not carried between architectures. */
struct frame {
	double time;
	uint32_t value, key, headers;
} __attribute__((packed));

#define NONE UINT32_MAX

struct fl_segment *fl_segment_take(struct fl_buf *b, uint32_t n)
{
	FL_ASSERT(n > 0 && b->len > 0);
	struct fl_segment *s = fl_alloc(sizeof *s);
	atomic_init(&s->refs, 1);
	s->n = n;
	s->base = -1;
	s->size = b->len;
	size_t need = b->len + FL_PAD;
	/* A buffer that grew by doubling may be half empty, and segments stay in the readers' cache for a while. */
	s->bytes = b->cap < need || b->cap - need > b->cap / 4 ? fl_realloc(b->p, need) : b->p;
	memset(s->bytes + s->size, 0, FL_PAD);
	*b = (struct fl_buf){0};
	return s;
}

struct fl_segment *fl_segment_ref(struct fl_segment *s)
{
	uint32_t before = atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	FL_ASSERT(before > 0);
	return s;
}

void fl_segment_unref(struct fl_segment *s)
{
	if (!s)
		return;
	uint32_t before = atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel);
	FL_ASSERT(before > 0);
	if (before == 1) {
		free(s->bytes);
		free(s);
	}
}

static void add_frame(struct fl_buf *b, double time, struct fl_str key, struct fl_str headers, uint32_t value)
{
	FL_ASSERT(key.len < NONE && headers.len < NONE);
	struct frame f = {time, value, key.p ? key.len : NONE, headers.p ? headers.len : 0};
	fl_buf_add(b, &f, sizeof f);
	if (key.p)
		fl_buf_add(b, key.p, key.len);
	if (headers.p)
		fl_buf_add(b, headers.p, headers.len);
}

void fl_segment_add(struct fl_buf *b, const struct fl_record *r)
{
	FL_ASSERT(r->value.len < NONE);
	add_frame(b, r->time, r->key, r->headers, r->value.p ? r->value.len : NONE);
	if (r->value.p)
		fl_buf_add(b, r->value.p, r->value.len);
}

size_t fl_segment_begin(struct fl_buf *b, double time, struct fl_str key, struct fl_str headers)
{
	size_t mark = b->len;
	add_frame(b, time, key, headers, 0);
	return mark;
}

void fl_segment_end(struct fl_buf *b, size_t mark)
{
	struct frame f;
	FL_ASSERT(b->len - mark >= sizeof f && mark <= b->len);
	memcpy(&f, b->p + mark, sizeof f);
	size_t before = sizeof f + (f.key == NONE ? 0 : f.key) + f.headers;
	FL_ASSERT(b->len - mark >= before && b->len - mark - before < NONE);
	f.value = (uint32_t)(b->len - mark - before);
	memcpy(b->p + mark, &f, sizeof f);
}

void fl_segment_end_tombstone(struct fl_buf *b, size_t mark)
{
	struct frame f;
	fl_segment_end(b, mark);
	memcpy(&f, b->p + mark, sizeof f);
	FL_ASSERT(f.value == 0);
	f.value = NONE;
	memcpy(b->p + mark, &f, sizeof f);
}

void fl_segment_cancel(struct fl_buf *b, size_t mark)
{
	FL_ASSERT(mark <= b->len);
	b->len = mark;
}

int fl_segment_next(const struct fl_segment *s, size_t *at, struct fl_record *r)
{
	struct frame f;
	if (*at == s->size)
		return 0;
	if (*at > s->size || s->size - *at < sizeof f)
		return -1;
	memcpy(&f, s->bytes + *at, sizeof f);
	uint32_t key = f.key == NONE ? 0 : f.key, value = f.value == NONE ? 0 : f.value;
	size_t left = s->size - *at - sizeof f;
	if ((uint64_t)key + f.headers + value > left)
		return -1;
	const char *p = s->bytes + *at + sizeof f;
	r->time = f.time;
	r->key = (struct fl_str){f.key == NONE ? NULL : p, key};
	p += key;
	r->headers = (struct fl_str){f.headers ? p : NULL, f.headers};
	p += f.headers;
	r->value = (struct fl_str){f.value == NONE ? NULL : p, value};
	*at += sizeof f + key + f.headers + value;
	return 1;
}
