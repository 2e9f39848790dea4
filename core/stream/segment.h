/* A segment: some records of one partition, one behind the other in one block of memory, as the embedded store keeps
 * them in a row and as readers get them. Counted references; immutable once committed. Framing of a record: f64 time,
 * u32 value length (UINT32_MAX: a tombstone), u32 key length (UINT32_MAX: none), u32 header length, then key, headers,
 * value; FL_PAD bytes behind all, which are not stored. */
#ifndef FL_STREAM_SEGMENT_H
#define FL_STREAM_SEGMENT_H

#include <stdatomic.h>

#include "../base/buf.h"

struct fl_segment {
	_Atomic uint32_t refs;
	uint32_t n;
	int64_t base;  /* offset of its first record; -1 until the commit sets it */
	double time;   /* wall clock of its commit: what retention by age goes by */
	size_t size;   /* bytes of the records */
	char *bytes;
};

struct fl_segment *fl_segment_take(struct fl_buf *b, uint32_t n); /* takes b's memory over and leaves b empty */
struct fl_segment *fl_segment_ref(struct fl_segment *s);
void fl_segment_unref(struct fl_segment *s); /* NULL is fine; from any thread */

struct fl_record {
	double time;
	struct fl_str key, headers, value; /* key.p NULL: none; value.p NULL: a tombstone */
};

/* Appends a record to a segment that is being built. The value may be written in place: begin, add to b, end. */
void fl_segment_add(struct fl_buf *b, const struct fl_record *r);
size_t fl_segment_begin(struct fl_buf *b, double time, struct fl_str key, struct fl_str headers);
void fl_segment_end(struct fl_buf *b, size_t mark);
void fl_segment_end_tombstone(struct fl_buf *b, size_t mark); /* instead of end: it has no value, and nothing was added */
void fl_segment_cancel(struct fl_buf *b, size_t mark); /* as if begin had not been */

/* Steps through: *at starts at 0. 1: a record, 0: the end, -1: damaged. */
int fl_segment_next(const struct fl_segment *s, size_t *at, struct fl_record *r);

#endif
