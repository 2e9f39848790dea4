/* A batch of events as the host holds it: what plugins see (fairlead.h's struct fl_batch), the codec that fills its
 * columns, the memory that stages write to, and what stages said of each event. One thread owns it; run/ makes one for
 * each pipeline of a worker and uses it again and again, so that a warm one allocates nothing. */
#ifndef FL_EVENT_BATCH_H
#define FL_EVENT_BATCH_H

#include "../base/buf.h"
#include "codec.h"

#define FL_BATCH_MAX 512   /* events in a batch: its columns stay in the second-level cache */
#define FL_COLUMNS_MAX 512 /* field names that the stages of a pipeline may ask for */

/* The field names that the stages of one pipeline ask for: an index each, which never changes and is the same in every
 * batch of the pipeline, on every worker. Adding is safe from any thread (a reload opens stages beside the running ones). */
struct fl_fields;
struct fl_fields *fl_fields_new(void);
void fl_fields_free(struct fl_fields *f);
uint32_t fl_fields_add(struct fl_fields *f, struct fl_str name); /* FL_NO_FIELD: there are FL_COLUMNS_MAX already */
/* Of a name that was added: `,"name":`, as it stands in a JSON object, with FL_PAD readable bytes behind it; p NULL: the
 * name is not UTF-8. */
struct fl_str fl_fields_member(const struct fl_fields *f, uint32_t col);

/* What a stage said of an event that it did not pass. */
struct fl_why {
	uint32_t i;
	uint32_t stream;   /* FL_LATE: where to; FL_NO_STREAM: the app's late stream */
	const char *stage; /* who said so: "speed", "transforms/enrich.lua" */
	struct fl_str at;  /* script:line, empty for plugins and the decoder */
	struct fl_str text;
};

/* A record that a stage made. */
struct fl_emitted {
	uint32_t before; /* it stands before event i (emit() of a stage); n: behind all */
	uint32_t stream; /* FL_NO_STREAM: goes on to the stages that follow */
	struct fl_str key, value, headers; /* key.p NULL: by the stream's key field */
	double time;     /* of the event it was made from */
	uint32_t seq;    /* keeps the order of equals when they are sorted */
};

struct fl_events {
	struct fl_batch b;            /* first, so that a plugin's batch is the host's */
	struct fl_fields *fields;
	const struct fl_codec *codec; /* of the records in it */
	struct fl_decoder *decoder;   /* the codec's memory for this batch */
	struct fl_arena arena;        /* texts of cells, reasons, emitted records: until the next fl_events_begin */
	struct fl_why *why;           /* in the order they were said; an event has at most one */
	uint32_t whys, why_cap;
	struct fl_emitted *emitted;
	uint32_t emits, emit_cap;
	uint32_t capacity;
	struct fl_limits limits;
	int loaded;                   /* records are in and decoded: a new column is filled at once */
	struct fl_str *original;      /* NULL, or [n]: what dead letters keep, where value is what earlier stages made of it */
	const char *stage;            /* who works on it at the moment: named where a write rejects; NULL: nobody */
};

/* capacity events at most, FL_BATCH_MAX where 0. The columns of names that were added to fields are there from the next
 * begin on. */
struct fl_events *fl_events_new(struct fl_fields *fields, const struct fl_codec *codec, struct fl_limits limits,
	uint32_t capacity);
void fl_events_free(struct fl_events *ev);

/* One batch's life: begin empties it (columns stay), add puts records in (pointers are borrowed until the next begin;
 * FL_PAD readable bytes must follow value), decode fills the columns and rejects what is not valid. */
void fl_events_begin(struct fl_events *ev, const char *stream, uint32_t partition, double now);
void fl_events_decode(struct fl_events *ev);

/* The column of a name, for the batch's own thread: added to fields and made where it is new (and filled, if records are
 * in, which may reject some of them). FL_NO_FIELD: there are too many. */
uint32_t fl_events_column(struct fl_events *ev, struct fl_str name);

/* Outcomes. Texts are copied into the arena, but not stage. An event that is not FL_PASS keeps its first outcome. */
void fl_events_drop(struct fl_events *ev, uint32_t i, const char *stage, struct fl_str reason);
void fl_events_reject(struct fl_events *ev, uint32_t i, const char *stage, struct fl_str at, struct fl_str text);
void fl_events_late(struct fl_events *ev, uint32_t i, const char *stage, uint32_t stream);

/* Writes. A number that is not finite rejects the event, and so does a JSON text that is none. */
void fl_events_set_number(struct fl_events *ev, uint32_t col, uint32_t i, double v);
void fl_events_set_int(struct fl_events *ev, uint32_t col, uint32_t i, int64_t v);
void fl_events_set_string(struct fl_events *ev, uint32_t col, uint32_t i, struct fl_str s); /* FL_STRING; copied */
/* any JSON text, checked and copied; -1: it is none, and nothing was written */
int fl_events_set_json(struct fl_events *ev, uint32_t col, uint32_t i, struct fl_str text);
void fl_events_remove(struct fl_events *ev, uint32_t col, uint32_t i);

static inline void fl_events_add(struct fl_events *ev, int64_t offset, double time, struct fl_str key, struct fl_str value,
	struct fl_str headers)
{
	FL_ASSERT(ev->b.n < ev->capacity && !ev->loaded);
	uint32_t i = ev->b.n++;
	ev->b.value[i] = value;
	ev->b.key[i] = key;
	ev->b.headers[i] = headers;
	ev->b.time[i] = time;
	ev->b.offset[i] = offset;
}

/* The mark of a cell as written, in the order of writing (what Lua's prelude does on its own). */
static inline void fl_events_touch(struct fl_events *ev, struct fl_column *c, uint32_t i)
{
	if (!c->dirty[i]) {
		ev->b.touched[i] += ev->b.touched[i] < 255;
		c->dirty[i] = ev->b.touched[i];
	}
	c->written = 1;
}

/* All is copied, the value with FL_PAD bytes behind it. */
void fl_events_emit(struct fl_events *ev, uint32_t before, uint32_t stream, struct fl_str key, struct fl_str value,
	struct fl_str headers, double time);

/* The record as it stands now, appended to out in the codec to (mostly its own). -1: it can't be said in that codec. A
 * tombstone (value.p NULL) that nobody wrote to appends nothing: it stays one. */
int fl_events_encode(struct fl_events *ev, uint32_t i, const struct fl_codec *to, struct fl_buf *out, char *err);

/* A cell as a key: a string's content, any other value's JSON text, p NULL where absent. Valid until begin. */
struct fl_str fl_events_key(struct fl_events *ev, uint32_t col, uint32_t i);

#endif
