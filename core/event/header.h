/* Headers of a record, encoded as in a segment: for each u16 name length, u32 value length, name, value. */
#ifndef FL_EVENT_HEADER_H
#define FL_EVENT_HEADER_H

#include "../base/buf.h"

void fl_header_add(struct fl_buf *out, struct fl_str name, struct fl_str value);
/* Steps through: *at starts at 0; returns 0 at the end or where the bytes are damaged. */
int fl_header_next(struct fl_str headers, uint32_t *at, struct fl_str *name, struct fl_str *value);
struct fl_str fl_header_find(struct fl_str headers, struct fl_str name); /* the last of that name; p NULL: none */

#endif
