/* A codec: how a record's bytes become columns and bytes again. One file each (codec_json.c, codec_text.c …); a new one
 * is a file and a row in codec.c's table. */
#ifndef FL_EVENT_CODEC_H
#define FL_EVENT_CODEC_H

#include "../base/buf.h"

#define FL_PAD 64 /* bytes that must be readable behind a value (simdjson looks ahead) */

#define FL_DEPTH_MAX 1024 /* limits.depth is no more than this */

struct fl_events;
struct fl_decoder;

struct fl_limits {
	uint32_t record; /* bytes, 1 MiB where 0 */
	uint32_t depth;  /* 64 where 0 */
	int full;        /* validate = "full": also what nobody reads */
};

struct fl_codec {
	const char *name;
	struct fl_decoder *(*open)(struct fl_limits);
	void (*close)(struct fl_decoder *);
	/* Fills columns from..to of all events that are FL_PASS; what is not valid is rejected with a sentence. */
	void (*decode)(struct fl_decoder *, struct fl_events *, uint32_t from, uint32_t to);
	/* Appends event i as this codec writes it. Where the batch is of the same codec, bytes nobody changed are copied. */
	int (*encode)(struct fl_events *, uint32_t i, struct fl_buf *out, char *err);
};

extern const struct fl_codec fl_codec_json;  /* objects */
extern const struct fl_codec fl_codec_text;  /* one field "value": the record as UTF-8 */
extern const struct fl_codec fl_codec_bytes; /* the same of any bytes */
const struct fl_codec *fl_codec_find(const char *name); /* NULL: none of that name */
const char *const *fl_codec_names(uint32_t *n);

#endif
