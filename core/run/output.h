/* Where records go: collects what tasks of one thread write, by stream and partition, until the next commit takes it;
 * or, for `pipe`, prints it. One thread owns it. */
#ifndef FL_RUN_OUTPUT_H
#define FL_RUN_OUTPUT_H

#include "../plan/plan.h"
#include "../stream/stream.h"
#include "order.h"

struct fl_out_part {
	struct fl_buf buf;
	uint32_t n;
};

/* What `pipe` prints instead of committing. */
struct fl_printer {
	uint32_t to;   /* the stream whose values are printed, one a line; FL_NO_STREAM: none */
	int streams;   /* every record of any stream, as stream<TAB>key<TAB>value */
	struct fl_buf buf;
	struct fl_buf waste;
};

struct fl_output {
	const struct fl_plan *plan;
	struct fl_out_part **part; /* [plan stream][partition]; a row is made at its first record */
	uint64_t turn;             /* spreads records without a key: the offset of what they were made from, or a count */
	struct fl_order *order;    /* NULL, or what holds the records until they can be put in order */
	struct fl_probe **probe;   /* [plan stream] reads key and time of raw records; made at first use */
	struct fl_printer *printer;
	size_t bytes;              /* collected since the last take */
};

void fl_output_open(struct fl_output *out, const struct fl_plan *plan, struct fl_printer *printer);
void fl_output_close(struct fl_output *out);

/* A record whose value the caller appends to the returned buffer, between begin and end (or cancel). r->value is not
 * written; where there is none and nothing is appended, the record is a tombstone. */
struct fl_out_mark {
	struct fl_out_part *part;
	struct fl_buf *buf;
	size_t at, begin; /* of the record, of its value */
	int tombstone;    /* unless something is added */
};
/* What comes now was made from event i of ev. */
void fl_output_from(struct fl_output *out, const struct fl_events *ev, uint32_t i);
struct fl_buf *fl_output_begin(struct fl_output *out, struct fl_out_mark *m, uint32_t stream, const struct fl_record *r);
void fl_output_end(struct fl_output *out, struct fl_out_mark *m);
void fl_output_cancel(struct fl_output *out, struct fl_out_mark *m);

/* Whether nobody looks at the keys and times of records. */
static inline int fl_output_only_values(const struct fl_output *out) { return out->printer && !out->printer->streams; }

/* A whole record; where its key or (time 0) time is missing the stream's fields give them. */
void fl_output_raw(struct fl_output *out, uint32_t stream, struct fl_record r);

/* Many raw records at once, as a source emits them: ev->emitted. */
void fl_output_emitted(struct fl_output *out, struct fl_events *ev, uint32_t to);

/* From now on records are held by order, until release; NULL where what is held is to be forgotten. */
void fl_output_hold(struct fl_output *out, struct fl_order *order);
void fl_output_release(struct fl_output *out);

/* Moves what was collected into txn->append (room for fl_output_parts more); drop forgets it. */
uint32_t fl_output_parts(const struct fl_output *out);
void fl_output_take(struct fl_output *out, struct fl_txn *txn, const int *stream_of);
void fl_output_drop(struct fl_output *out);

#endif
