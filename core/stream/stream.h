/* The contract of streams: named logs in partitions, and the atomic step that moves positions and appends records
 * together. Two kinds stand behind it: embedded/ (SQLite), and Kafka. Everything above sees only this.
 *
 * Threads: a struct fl_streams is made once an app and its functions may be called from any thread; a struct fl_reader
 * belongs to one thread (a worker, a sink). Offsets are given at the commit; readers see committed records only. */
#ifndef FL_STREAM_STREAM_H
#define FL_STREAM_STREAM_H

#include "segment.h"

struct fl_stream_def {
	const char *name;
	uint32_t partitions;
	double keep_age;    /* seconds; 0: for ever */
	int64_t keep_bytes; /* of all partitions; 0: any size */
	int changelog;      /* the truth of a store: goes only by fl_streams.trim */
};

struct fl_append {
	uint32_t stream, partition; /* stream: index as declare() gave it */
	struct fl_segment *segment; /* its base is set by the commit */
};

struct fl_reader_position {
	const char *reader; /* "enrich", a pipeline or sink */
	uint32_t stream, partition;
	int64_t next;
};

/* One atomic step. The arrays and the segments' references belong to it and go with it. */
struct fl_txn {
	struct fl_append *append;
	uint32_t appends;
	struct fl_reader_position *position;
	uint32_t positions;
	size_t bytes;                   /* of all segments */
	_Atomic int done;               /* 0 under way, 1 committed: read with acquire; bases are set then; ends a wait() */
};

/* How to open: a daemon holds the app's lock; others stand beside it. */
enum fl_streams_mode { FL_STREAMS_DAEMON, FL_STREAMS_SEND, FL_STREAMS_READ };

struct fl_streams_conf {
	const char *dir; /* the app's directory */
	const char *app;
	enum fl_streams_mode mode;
	int power;          /* durability = "power": every commit is synced */
	int64_t cache;      /* bytes of committed segments kept for readers; 32 MiB where 0 */
	int64_t wal;        /* bytes the log may grow to before commits wait; 64 MiB where 0 */
};

struct fl_streams;
struct fl_reader;
struct fl_stream_info {
	char name[256];
	uint32_t partitions;
};

struct fl_streams *fl_embedded_open(const struct fl_streams_conf *conf, char *err);

/* What a kind of stream can do; struct fl_streams begins with a pointer to it. */
struct fl_streams_ops {
	void (*close)(struct fl_streams *); /* commits what was handed in, then closes */

	/* Makes the stream where it is new, and checks it where not: another number of partitions is an error that says
	 * which. Returns its index, the same for the life of this struct; -1 and err otherwise. In FL_STREAMS_READ and
	 * SEND, partitions 0 means: as it is; -1 where there is none. */
	int (*declare)(struct fl_streams *, const struct fl_stream_def *, char *err);
	uint32_t (*partitions)(struct fl_streams *, uint32_t stream);

	/* All records before first were let go; next is the offset that the next record will get. After a power cut there is
	 * a gap before it, and end (called after bounds) is one past the last record that is there; first where none is. */
	int (*bounds)(struct fl_streams *, uint32_t stream, uint32_t partition, int64_t *first, int64_t *next, char *err);
	int64_t (*end)(struct fl_streams *, uint32_t stream, uint32_t partition);
	/* Committed position of a reader, -1 where it has none. */
	int64_t (*position)(struct fl_streams *, const char *reader, uint32_t stream, uint32_t partition, char *err); /* -2: err */

	/* Hands an atomic step to the committer and returns at once; txn->done says when it is in. Waits only while too much
	 * (64 MiB) is handed in and not committed. A full disk makes it wait (logged), not fail. */
	void (*commit)(struct fl_streams *, struct fl_txn *);
	/* All that is committed is on the disk when it returns, and survives a power cut. */
	int (*sync)(struct fl_streams *, char *err);
	/* Records of a changelog before next may go. Takes effect some time later. */
	void (*trim)(struct fl_streams *, uint32_t stream, uint32_t partition, int64_t next);

	/* Names and partitions of all streams that the app has, to be freed with free(). */
	int (*list)(struct fl_streams *, struct fl_stream_info **out, uint32_t *n, char *err);

	struct fl_reader *(*reader)(struct fl_streams *, char *err);
	void (*reader_close)(struct fl_reader *);
	/* The committed segment that holds offset from, or the next one where retention took it; with a reference for the
	 * caller. 1: *out, 0: nothing yet, -1: err. *out's base may be below from: skip up to it. */
	int (*read)(struct fl_reader *, uint32_t stream, uint32_t partition, int64_t from, struct fl_segment **out, char *err);
	/* Sleeps until something was committed since the last wait returned, wake() is called, or the time is over. */
	void (*wait)(struct fl_reader *, double seconds);
	void (*wake)(struct fl_reader *); /* from any thread */
};

struct fl_streams {
	const struct fl_streams_ops *ops;
};

void fl_txn_free(struct fl_txn *txn); /* its arrays, its segments' references, and itself */

/* The partition of a key, as Java's Kafka client has it: murmur2; without a key by turn. */
uint32_t fl_partition_of(struct fl_str key, uint64_t turn, uint32_t partitions);

#endif
