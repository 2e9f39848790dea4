/* Event time: where a stream's records carry it and how it is read. Seconds since 1970 as a double. */
#ifndef FL_EVENT_TIME_H
#define FL_EVENT_TIME_H

#include "batch.h"

struct fl_time_spec {
	char *field;     /* NULL: the record's own time */
	double unit;     /* of a number, in seconds: 1, 1e-3, 1e-6, 1e-9 */
	char *format;    /* of a string, as strptime has it, UTC; NULL: ISO 8601 */
};

/* ISO 8601 ("2024-05-12T02:11:37.25Z", with zone or without: UTC; a space for the T) or by format. -1: not one. */
int fl_time_parse(const char *format, struct fl_str text, double *t);
/* "2024-05-12T02:11:37.25Z": as short as it reads back (up to 18 digits of a fraction); a time outside
 * of the years 0000 to 9999 is its number. Returns the length; to has 40 bytes. */
uint32_t fl_time_write(char *to, double t);

/* One event: *t from its cell. -1: the cell holds no time; *t stays as it was. */
int fl_time_of_cell(struct fl_events *ev, const struct fl_time_spec *spec, uint32_t col, uint32_t i, double *t);

/* Sets b.time of all events from their field col; what has none is rejected with a sentence naming the stream. */
void fl_time_of_events(struct fl_events *ev, const struct fl_time_spec *spec, uint32_t col);

#endif
