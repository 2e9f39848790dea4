/* Reading committed records in the order of appending, over all partitions of a stream: what tail and dlq do. */
#ifndef FL_CLI_READ_H
#define FL_CLI_READ_H

#include "../plan/plan.h"
#include "../stream/stream.h"

struct fl_scan;

/* Reads one stream. from of a partition is -1 for the oldest, INT64_MAX for the end, or an offset. NULL and err. */
struct fl_scan *fl_scan_open(struct fl_streams *st, const char *stream, int64_t from, char *err);
/* Begins n offsets before the end of each partition; they need not all be there (a power cut leaves a gap). 1: that is
 * where everything begins. */
int fl_scan_last(struct fl_scan *sc, uint64_t n);
void fl_scan_close(struct fl_scan *sc);

struct fl_scanned {
	struct fl_record r; /* valid until the next call */
	uint32_t partition;
	int64_t offset;
};
/* The next record. 1: there is one, 0: none now, -1: err. */
int fl_scan_next(struct fl_scan *sc, struct fl_scanned *out, char *err);
void fl_scan_wait(struct fl_scan *sc, double seconds);

/* {"stream":…,"partition":…,"offset":…,"time":…,"key":…,"headers":{…},"value":…} and a newline. A value that is no JSON
 * stands there as a string, one that is no text as "value_base64". */
void fl_scan_meta(const char *stream, const struct fl_scanned *s, struct fl_buf *out);

#endif
