/* fairlead.h: everything a plugin needs, and the only header that it includes.
 *
 * A plugin is one .c file that exports one symbol, `const struct fl_plugin fl_plugin`. The host loads it, hands its
 * options over in a struct that the plugin laid out itself (the option table says what goes where), and then calls it
 * with batches of events. plugins/hello.c is a whole one with comments; plugins/README.md walks through it.
 *
 * What a plugin may rely on:
 *   - One instance (what open() makes) is used by one thread at a time; a stage has an instance a task.
 *   - Every pointer that the host hands over is borrowed: the batch and all it points to until process() or write()
 *     returns, state memory until the next call that can create an entry in the same store or until process()
 *     returns, the conf struct and the ctx until close() returns.
 *   - An error is 0 or -1 and one whole sentence in err[FL_ERRLEN]; the host adds the stage's name and place.
 *
 * Changes of the ABI. The major number changes when something here changes its meaning, the minor one when something
 * is added at the end of a struct. A plugin runs on a host of the same major and of its own minor number or a later one.
 *   1.0  the first.
 */
#ifndef FAIRLEAD_H
#define FAIRLEAD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FL_ABI_MAJOR 1u
#define FL_ABI_MINOR 0u
#define FL_ABI (FL_ABI_MAJOR << 16 | FL_ABI_MINOR)

#define FL_ERRLEN 512
#define FL_KEY_MAX 480 /* bytes of a state key */

/* Some bytes that belong to somebody else; not terminated. p is NULL where there is nothing (a missing key). */
struct fl_str {
	const char *p;
	uint32_t len;
};

/* ---- events ---------------------------------------------------------------------------------------------------- */

enum fl_type {
	FL_ABSENT = 0, /* the record has no such field, or it was removed */
	FL_NUMBER = 1, /* num, exactly (an integer up to 2^53, or the double nearest to the text) */
	FL_STRING = 2, /* str is its content, unescaped */
	FL_BOOL = 3,   /* num is 0 or 1 */
	FL_NULL = 4,
	FL_NESTED = 5, /* an object or array: str is its JSON text */
	FL_BIGINT = 6  /* an integer of 64 bits beyond 2^53: str is its text, num the nearest double */
};

/* What became of an event. Stages look only at events that are FL_PASS; sinks answer with FL_PASS, FL_RETRY, FL_REJECT. */
enum fl_outcome {
	FL_PASS = 0,
	FL_DROP = 1,   /* dropped by a stage that says why; counted by reason */
	FL_REJECT = 2, /* to the dead-letter stream, with the reason */
	FL_LATE = 3,   /* to a late stream */
	FL_RETRY = 4   /* sinks: not now; the same event is written again later */
};

/* One field of all events of a batch. Read type[i] first, then num[i] or str[i] as it says. Write through the host. */
struct fl_column {
	uint8_t *type;      /* [n] enum fl_type */
	double *num;        /* [n] */
	struct fl_str *str; /* [n] */
	uint8_t *dirty;     /* [n] host's: 0 as it came, else when it was written, counted within the event */
	uint32_t *at;       /* [n] host's: where the value stands in the record; UINT32_MAX: the record lacks it */
	uint32_t *len;      /* [n] host's: bytes of the value there */
	struct fl_str name;
	uint32_t written; /* host's: 1 when any cell of this batch is dirty */
};

/* Events of one partition of one stream, in order. Arrays have n entries. */
struct fl_batch {
	uint32_t n;
	uint32_t columns;
	struct fl_column **column; /* [columns]; a FL_OPT_FIELD option is an index into it */
	uint8_t *outcome;          /* [n] enum fl_outcome */
	struct fl_str *value;      /* [n] the record's bytes as they came; p NULL: a tombstone */
	struct fl_str *key;        /* [n] p NULL: no key */
	struct fl_str *headers;    /* [n] encoded; see the host's header() */
	double *time;              /* [n] event time, seconds since 1970 */
	int64_t *offset;           /* [n] */
	uint8_t *touched;          /* [n] host's: how many fields were written */
	uint16_t *route;           /* [n] host's: 0, or 1 + the stream it is sent to */
	uint64_t *hash;            /* [n] host's: of the key, for state */
	const char *stream;
	uint32_t partition;
	double now; /* the clock, read once for the batch; NaN: every event's own time[] is the clock (a replay) */
};

/* ---- options --------------------------------------------------------------------------------------------------- */

enum fl_option_type {
	FL_OPT_STRING = 1, /* const char *; NULL where neither given nor defaulted */
	FL_OPT_INT,        /* int64_t */
	FL_OPT_NUMBER,     /* double */
	FL_OPT_BOOL,       /* uint8_t, 0 or 1 */
	FL_OPT_DURATION,   /* double, seconds; written "5s", "200ms", "1h", "7d" */
	FL_OPT_SIZE,       /* int64_t, bytes; written "64MiB", "10kB", or a number */
	FL_OPT_FIELD,      /* uint32_t, a column of every batch; FL_NO_FIELD where not given */
	FL_OPT_STREAM,     /* uint32_t, a stream for emit_to() and late(); FL_NO_STREAM where not given */
	FL_OPT_CHOICE,     /* uint32_t, index into choices ("key|partition") */
	FL_OPT_MAP         /* struct fl_map: columns = { yacht_id = "id", at = time "timestamp" } */
};
#define FL_NO_FIELD UINT32_MAX
#define FL_NO_STREAM UINT32_MAX

struct fl_map_entry {
	const char *name;  /* left of the = */
	const char *value; /* right of it, a string */
	const char *as;    /* NULL, or the word before it ("time") */
	uint32_t field;    /* value as a column of every batch */
};
struct fl_map {
	uint32_t n;
	const struct fl_map_entry *entry; /* sorted by name unless written as a list; NULL where not given */
};

struct fl_option {
	const char *name; /* NULL ends the table */
	enum fl_option_type type;
	const char *standard; /* the default as text, as a conf would have it; NULL: none. "!" : it must be given */
	const char *help;     /* one line */
	size_t offset;        /* of the member in the plugin's conf struct */
	const char *choices;  /* FL_OPT_CHOICE: "a|b|c" */
};

/* ---- what the host does for a plugin --------------------------------------------------------------------------- */

struct fl_ctx;   /* one instance of a stage, to the host */
struct fl_store; /* a keyed store of the instance's task */
struct fl_meter; /* a counter */

enum fl_level { FL_ERROR = 0, FL_WARN = 1, FL_INFO = 2, FL_DEBUG = 3 };

/* A position in the input of a sink, or of a source: all before it is done. */
struct fl_position {
	const char *stream;
	uint32_t partition;
	int64_t next; /* the first offset that is not in yet */
};

/* One field of one record, for each_field(). */
struct fl_cell {
	struct fl_str name;
	enum fl_type type;
	double num;        /* as in fl_column; infinite for a number beyond a double */
	struct fl_str str; /* as in fl_column, and the text of a FL_NUMBER too */
};

struct fl_host {
	uint32_t abi, size; /* FL_ABI and sizeof of the host's struct; what is past size does not exist */

	void (*log)(struct fl_ctx *, enum fl_level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

	/* Outcomes. reason is copied. drop()'s reasons are counted by text: keep them few. */
	void (*drop)(struct fl_ctx *, struct fl_batch *, uint32_t i, const char *reason);
	void (*reject)(struct fl_ctx *, struct fl_batch *, uint32_t i, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
	void (*late)(struct fl_ctx *, struct fl_batch *, uint32_t i, uint32_t stream); /* FL_NO_STREAM: the app's own */

	/* Fields. Texts are copied. A number that is not finite rejects the event. */
	void (*set_number)(struct fl_ctx *, struct fl_batch *, uint32_t field, uint32_t i, double);
	void (*set_int)(struct fl_ctx *, struct fl_batch *, uint32_t field, uint32_t i, int64_t);
	void (*set_string)(struct fl_ctx *, struct fl_batch *, uint32_t field, uint32_t i, struct fl_str);
	void (*set_json)(struct fl_ctx *, struct fl_batch *, uint32_t field, uint32_t i, struct fl_str); /* any JSON text */
	void (*remove)(struct fl_ctx *, struct fl_batch *, uint32_t field, uint32_t i);
	uint32_t (*field)(struct fl_ctx *, const char *name); /* in open(): a column by name, as FL_OPT_FIELD gives it */
	struct fl_str (*header)(const struct fl_batch *, uint32_t i, const char *name); /* p NULL: none */

	/* New records, made from event i of the batch and with its time. emit(): an event more behind it, for the stages
	 * that follow. emit_to(): a record to a stream. In tick() and read() there is no batch: NULL, and i is ignored;
	 * sources have only emit(). key.p NULL takes the key from the stream's key field. All is copied. */
	void (*emit)(struct fl_ctx *, struct fl_batch *, uint32_t i, struct fl_str key, struct fl_str value);
	void (*emit_to)(struct fl_ctx *, struct fl_batch *, uint32_t i, uint32_t stream, struct fl_str key, struct fl_str value);

	/* State: kept exactly as the events are, also through kill -9. store() is called in open() (name NULL: named as
	 * the stage). state_at() gives the value of the event's key as memory of at least size bytes, new bytes zeroed,
	 * *len what was kept (0: new); after working on it call state_changed(). NULL where there is no key or one over FL_KEY_MAX; the
	 * event is rejected then. state_get/put/del do the same for any key. */
	struct fl_store *(*store)(struct fl_ctx *, const char *name, double ttl);
	void *(*state_at)(struct fl_store *, struct fl_batch *, uint32_t i, uint32_t size, uint32_t *len);
	void (*state_changed)(struct fl_store *, void *memory, uint32_t len);
	const void *(*state_get)(struct fl_store *, struct fl_str key, uint32_t *len);
	int (*state_put)(struct fl_store *, struct fl_str key, const void *, uint32_t len, char *err);
	int (*state_del)(struct fl_store *, struct fl_str key, char *err);

	/* Counters, in open(): fairlead_<name>_total with the stage's labels, and one more where label is not NULL.
	 * What is counted shows at the next commit. */
	struct fl_meter *(*meter)(struct fl_ctx *, const char *name, const char *help, const char *label);
	void (*count)(struct fl_meter *, struct fl_str label_value, uint64_t);

	/* Where relative paths of sinks and sources are: the app's directory under --data. */
	const char *(*data_dir)(struct fl_ctx *);

	/* An event as it stands now, with what stages wrote to it. record(): its bytes, value[i] itself where nothing was
	 * written. each_field(): its fields in their order, a doubled name twice, until see returns nonzero, which is then
	 * the result; -1 for a record that is no object. A codec without fields gives the record as one field, "value".
	 * Pointers are valid until the next call of either. */
	struct fl_str (*record)(struct fl_ctx *, struct fl_batch *, uint32_t i);
	int (*each_field)(struct fl_ctx *, struct fl_batch *, uint32_t i, int (*see)(void *arg, const struct fl_cell *), void *arg);

	/* count() with the event's key as the label's value, faster. */
	void (*count_key)(struct fl_meter *, struct fl_batch *, uint32_t i, uint64_t);
};

/* ---- a plugin -------------------------------------------------------------------------------------------------- */

enum fl_kind { FL_TRANSFORM = 1, FL_SINK = 2, FL_SOURCE = 3 };

struct fl_plugin {
	uint32_t abi, size; /* FL_ABI, sizeof(struct fl_plugin): first, they protect the rest */
	enum fl_kind kind;
	const char *name;    /* as confs call it, and its file: name.so */
	const char *version; /* its own */
	const char *help;    /* one line */
	const struct fl_option *options; /* NULL: none */
	size_t conf_size;                /* of the struct that the options fill */

	/* *self is handed to all others. May be called beside a running instance (a reload), which must go on. */
	int (*open)(struct fl_ctx *, const struct fl_host *, const void *conf, void **self, char *err);
	void (*close)(void *self); /* also after a failed flush; never after a failed open */

	/* FL_TRANSFORM. -1 stops the task (it is tried again from the last commit); a bad event is reject()ed instead. */
	int (*process)(void *self, struct fl_batch *, char *err);
	int (*tick)(void *self, double now, char *err); /* each second; NULL: not wanted */

	/* FL_SINK. write() takes committed events; what it answers FL_RETRY is written again after a pause, in order. -1 from
	 * write() is a failure like one of flush().
	 * flush() makes all written so far durable together with pos; where it fails, everything since the last flush is
	 * written again. position() says where the sink itself stands for (pos->stream, pos->partition), by setting
	 * pos->next; NULL, or pos->next left at -1: the host keeps the position, and a crash may write twice. */
	int (*write)(void *self, struct fl_batch *, char *err);
	int (*flush)(void *self, const struct fl_position *pos, uint32_t n, char *err);
	int (*position)(void *self, struct fl_position *pos, char *err);

	/* FL_SOURCE. read() emits what is there, at most about want records, and returns how many, 0 for none yet (*wait:
	 * seconds until the next call), -2 at its end, -1 for an error. It keeps its place in its store. */
	int (*read)(void *self, uint32_t want, double *wait, char *err);

	/* State. Where state_version differs from the one that the store was written by (0: new), migrate() is called
	 * once per task, before the first process(); it works on the stores. NULL: any version reads any other. */
	uint32_t state_version;
	int (*migrate)(void *self, uint32_t old, char *err);
};

/* What a plugin defines; the rest of it is best built with -fvisibility=hidden. */
__attribute__((visibility("default"))) extern const struct fl_plugin fl_plugin;

#ifdef __cplusplus
}
#endif
#endif
