/* What the two halves of the JSON codec share: the decoder (codec_json.c) and the encoder (json_patch.c). */
#ifndef FL_EVENT_JSON_DECODER_H
#define FL_EVENT_JSON_DECODER_H

#include "batch.h"
#include "index.h"
#include "members.h"

#define FL_NO_COLUMN UINT16_MAX

/* A key of the records seen last, by its position in the record, and the column that it belongs to. */
struct fl_json_seen {
	uint16_t column; /* FL_NO_COLUMN: nobody named it */
	uint8_t len;     /* with its quotes; 0: none yet */
	char key[45];    /* and with them */
};

struct fl_decoder {
	struct fl_limits limits;
	struct fl_index *index;
	uint32_t columns;                      /* of the batch, as they are in the table below */
	uint16_t slot[2 * FL_COLUMNS_MAX];     /* columns by the hash of their names */
	struct fl_json_seen seen[64];
	struct fl_buf scratch;
	struct fl_buf joined;                  /* records one behind the other, to be indexed at once */
};

/* The tokens of a record, ready to walk through its members. -1: it is not an object. */
int fl_json_open(struct fl_decoder *d, struct fl_str record, struct fl_members *m);

/* The column of the member's key, FL_NO_COLUMN where nobody named it. -1: the key has a bad escape. */
int32_t fl_json_column(struct fl_decoder *d, const struct fl_events *ev, struct fl_str key, uint32_t position);

/* Appends event i as a JSON object (the codec's encode). */
int fl_json_encode(struct fl_events *ev, uint32_t i, struct fl_buf *out, char *err);

#endif
