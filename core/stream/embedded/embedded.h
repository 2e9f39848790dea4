/* The embedded kind of streams, seen from inside: one SQLite file an app, streams.db, in WAL mode.
 *
 * Threads and what guards what:
 *   db_lock     the connection db and all that is not said otherwise in struct part: the committer holds it for a
 *               transaction, declare, bounds, position and list for a query, the keeper while it restarts the WAL
 *   queue_lock  the steps that were handed in and not taken; also what the committer and the keeper wait on
 *   mem_lock    the cache of committed segments, and the sleeping readers
 * They are taken in this order. The committer (commit.c) gives offsets and writes; the keeper (keeper.c) syncs and
 * checkpoints the WAL on a connection of its own; each reader (reader.c) has a read-only one, opened when the cache
 * misses for the first time. */
#ifndef FL_STREAM_EMBEDDED_H
#define FL_STREAM_EMBEDDED_H

#include <pthread.h>
#include <sqlite3.h>

#include "../stream.h"

#define FL_EMB_FORMAT 1
#define FL_EMB_SHIFT 48 /* a row's id is its partition's id << 48 | the offset of its first record */
#define FL_EMB_PARTS 32766
#define FL_EMB_STREAMS 4096

struct part {
	int64_t id;    /* of its row in table part */
	int64_t end;   /* the offset that the next record gets */
	int64_t total; /* bytes ever appended */

	/* The first row: what retention looks at. */
	int64_t first_end, first_before; /* one past its last record; total before it */
	double first_time;

	/* Offsets are given below safe only; see mark.c. */
	int64_t mark, safe, step, mark_new;
	uint64_t mark_gen;
	double mark_time;

	/* The committer's, for the merge it is at. */
	int64_t at, at_total;
	uint64_t merge;

	/* Written under db_lock, read by readers without it. */
	_Atomic int64_t first; /* what was before it was let go */
	_Atomic int64_t last;  /* one past the last record that is kept; 0 where nothing is */
	_Atomic int64_t trim;  /* changelogs: records before it may go; written by any thread */

	/* The cache, under mem_lock: committed segments by rising base, a ring. */
	struct fl_segment **ring;
	uint32_t ring_head, ring_n, ring_cap;
};

struct stream {
	char *name;
	uint32_t partitions;
	double keep_age;
	int64_t keep_bytes;
	int changelog;
	struct part *part;
};

enum fl_emb_sql {
	SQL_BEGIN, SQL_COMMIT, SQL_ROLLBACK, SQL_VERSION, SQL_APPEND, SQL_POSITION_SET, SQL_POSITION, SQL_PART, SQL_LAST,
	SQL_FIRST, SQL_MARK, SQL_FLOOR, SQL_DELETE, SQL_STREAM, SQL_PART_NEW, SQL_COUNT
};

struct embedded {
	struct fl_streams base;
	char *dir, *file, *app;
	enum fl_streams_mode mode;
	int power;
	int64_t wal_limit, cache_limit;
	int lock_fd; /* -1: not ours */
	int wal_fd;  /* the same file that SQLite writes; see mark.c */
	int immutable; /* FL_STREAMS_READ of a directory that cannot be written */

	pthread_mutex_t db_lock;
	sqlite3 *db;
	sqlite3_stmt *sql[SQL_COUNT];
	int64_t version; /* data_version: changes when another connection committed */
	struct stream *stream[FL_EMB_STREAMS];
	_Atomic uint32_t streams;
	_Atomic int db_wanted; /* others that wait for db_lock: the committer lets them in */
	_Atomic uint64_t gen;  /* of marks, see mark.c */
	_Atomic uint64_t synced_gen;
	int full_sync;         /* power: set once the first commit is under way */

	pthread_mutex_t queue_lock;
	pthread_cond_t queued, room;
	struct fl_txn **queue; /* a ring */
	uint32_t queue_head, queue_n, queue_cap;
	size_t pending; /* bytes handed in and not committed */
	int stop;       /* the committer ends once the queue is empty */
	pthread_t committer;
	double retain_at;
	uint32_t retain_turn;
	uint64_t merges;

	/* The keeper's, under queue_lock. */
	pthread_t keeper;
	pthread_cond_t keep;
	sqlite3 *keeper_db;
	int keeper_stop, sync_wanted;
	int64_t wal_bytes, checkpoint_at, hold_at;
	int64_t page;

	pthread_mutex_t mem_lock;
	pthread_cond_t commits;
	uint64_t seq; /* of what readers can see: moves with each commit */
	uint32_t waiting;
	struct part **fifo; /* whose front segment goes next from the cache: a ring */
	uint32_t fifo_head, fifo_n, fifo_cap;
	int64_t cache_bytes;
	_Atomic int readers;
};

/* db.c: connections, statements, error texts. */
sqlite3 *fl_emb_connect(struct embedded *e, int flags, int *busy_ms, char *err);
int fl_emb_error(struct embedded *e, sqlite3 *db, const char *doing, char *err);
sqlite3_stmt *fl_emb_prepare(struct embedded *e, enum fl_emb_sql which, char *err); /* reset, on e->db; NULL: err */
int fl_emb_run(struct embedded *e, enum fl_emb_sql which, char *err); /* of a statement without rows */
int fl_emb_exec(struct embedded *e, sqlite3 *db, const char *sql, char *err);
int fl_emb_number(struct embedded *e, const char *sql, int64_t *out, char *err);
void fl_emb_rollback(struct embedded *e);
void fl_emb_enter(struct embedded *e); /* takes db_lock, for others than the committer */
void fl_emb_leave(struct embedded *e);

/* file.c: the file, its format, what a power cut took. */
int fl_emb_file_open(struct embedded *e, char *err);

/* lock.c */
int fl_emb_lock(struct embedded *e, char *err); /* 1: another process has it, and err says who; -1: err */
void fl_emb_unlock(struct embedded *e);

/* part.c: what is known of partitions. */
int fl_emb_declare(struct fl_streams *s, const struct fl_stream_def *def, char *err);
uint32_t fl_emb_partitions(struct fl_streams *s, uint32_t stream);
int fl_emb_bounds(struct fl_streams *s, uint32_t stream, uint32_t partition, int64_t *first, int64_t *next, char *err);
int64_t fl_emb_end(struct fl_streams *s, uint32_t stream, uint32_t partition);
int64_t fl_emb_position(struct fl_streams *s, const char *reader, uint32_t stream, uint32_t partition, char *err);
void fl_emb_trim(struct fl_streams *s, uint32_t stream, uint32_t partition, int64_t next);
int fl_emb_list(struct fl_streams *s, struct fl_stream_info **out, uint32_t *n, char *err);
struct part *fl_emb_part(struct embedded *e, uint32_t stream, uint32_t partition); /* asserts that it is there */
int fl_emb_part_first(struct embedded *e, struct part *p, char *err);
int fl_emb_refresh(struct embedded *e, char *err); /* db_lock is held: learns what other processes did */

/* mark.c: db_lock is held, but for the syncs. */
int fl_emb_marks_cover(struct embedded *e, struct part *const *part, uint32_t n); /* up to at of each */
int fl_emb_marks_ready(struct embedded *e); /* whether the next commit would have to wait for a sync */
int fl_emb_marks_ahead(struct embedded *e, char *err);
int fl_emb_marks_move(struct embedded *e, struct part *const *part, uint32_t n, char *err); /* how many; -1: err */
void fl_emb_marks_moved(struct embedded *e, struct part *const *part, uint32_t n);
int fl_emb_marks_lower(struct embedded *e, char *err);
void fl_emb_mark_found(struct embedded *e, struct part *p, int64_t mark);
int fl_emb_sync_wal(struct embedded *e, char *err);
int fl_emb_sync(struct fl_streams *s, char *err);

/* commit.c */
void fl_emb_commit(struct fl_streams *s, struct fl_txn *txn);
void *fl_emb_committer(void *e);

/* keeper.c */
void *fl_emb_keeper(void *e);
int fl_emb_wal_hook(void *e, sqlite3 *db, const char *name, int pages);
void fl_emb_wal_hold(struct embedded *e); /* waits while the WAL is too long */
void fl_emb_sync_soon(struct embedded *e);

/* retain.c: one bounded step; 1: there is more to do. */
int fl_emb_retain(struct embedded *e);

/* cache.c */
void fl_emb_cache_add(struct embedded *e, struct part *p, struct fl_segment *seg); /* mem_lock is held */
struct fl_segment *fl_emb_cache_find(struct embedded *e, struct part *p, int64_t from);
void fl_emb_cache_expire(struct embedded *e, double now);
void fl_emb_cache_free(struct embedded *e);

/* reader.c */
struct fl_reader *fl_emb_reader(struct fl_streams *s, char *err);
void fl_emb_reader_close(struct fl_reader *r);
int fl_emb_read(struct fl_reader *r, uint32_t stream, uint32_t partition, int64_t from, struct fl_segment **out,
                char *err);
void fl_emb_wait(struct fl_reader *r, double seconds);
void fl_emb_wake(struct fl_reader *r);
void fl_emb_announce(struct embedded *e); /* there is something new to read */

#endif
