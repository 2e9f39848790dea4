/* Keyed state of one task: stores that are read and written through an overlay in memory; below it LMDB, one
 * environment a task, as a checkpoint of the changelogs, which are the truth. One thread (the task's worker) calls
 * everything here, but fl_snapshot_write, which the checkpointer's thread calls.
 *
 * A value's life: changed in the overlay → fl_state_collect at each commit gives the changed ones for the changelog →
 * once that commit is in and a checkpoint is due, fl_state_snapshot copies what changed since the last one →
 * fl_snapshot_write puts it and the changelog positions into LMDB in one synced transaction → fl_state_settled lets the
 * overlay forget what LMDB has. After a crash: LMDB, then fl_state_apply of the changelog from fl_store_position. */
#ifndef FL_STATE_STATE_H
#define FL_STATE_STATE_H

#include "../base/buf.h"

struct fl_state;
struct fl_store;
struct fl_snapshot;

#define FL_STATE_OVERLAY ((size_t)64 << 20)

struct fl_state_conf {
	const char *dir;  /* the LMDB environment's directory, made at the first checkpoint; NULL: memory and, when the
	                     overlay passes its limit, a temporary directory that goes with the process */
	const char *who;  /* for messages: "yacht/enrich[3]" */
	/* Called when a store is made, before anybody sees it: restores it (fl_store_position, fl_store_apply). NULL: nothing
	   to restore. -1 and err: the store can't be had. */
	int (*restore)(void *arg, struct fl_store *s, char *err);
	void *arg;
	size_t overlay;   /* bytes before a checkpoint is due at once and clean values may go; FL_STATE_OVERLAY where 0 */
};

struct fl_state *fl_state_open(const struct fl_state_conf *conf, char *err); /* another format: an error that says so */
void fl_state_close(struct fl_state *st); /* writes nothing; NULL is fine; not while a snapshot is under way */

/* NULL, or the sentence of a checkpoint that can't be read any more: what was read since then may be wrong. Asked
 * before each commit; not NULL: commit nothing, close the state, open it anew and restore. */
const char *fl_state_failed(const struct fl_state *st);

/* The store of a name (letters, digits, . _ -), made where new. ttl: seconds of event time after the last change of
 * a key until it is gone; 0: never; one that exists takes the new ttl, for its old keys too. Lives as long as the
 * state. */
struct fl_store *fl_state_store(struct fl_state *st, const char *name, double ttl, char *err);
const char *fl_store_name(const struct fl_store *s);
/* The highest event time seen: ttl goes by it. Called once a batch, or for each event: it costs a comparison. */
void fl_state_time(struct fl_state *st, double t);
int fl_state_expires(const struct fl_state *st); /* whether any store has a ttl */

uint64_t fl_key_hash(struct fl_str key); /* XXH3; what the hash parameters are */

/* Value memory lies in the overlay: stays where it is until fl_state_snapshot, fl_state_settled, fl_state_rollback,
 * or a larger size is asked for the same key. Keys up to FL_KEY_MAX, also empty ones: a longer one is NULL from at
 * and get, and a bug in put and del. fl_store_at: makes the key where it is new, at least size bytes, new bytes
 * zero, *len: bytes kept there before (0: new). Changes count after fl_store_changed, which also sets the length. */
void *fl_store_at(struct fl_store *s, struct fl_str key, uint64_t hash, uint32_t size, uint32_t *len);
void fl_store_changed(struct fl_store *s, void *value, uint32_t len);
const void *fl_store_get(struct fl_store *s, struct fl_str key, uint64_t hash, uint32_t *len); /* NULL: not there */
void fl_store_put(struct fl_store *s, struct fl_str key, uint64_t hash, const void *value, uint32_t len);
void fl_store_del(struct fl_store *s, struct fl_str key, uint64_t hash);
/* Fetches what two keys that are asked for soon will touch: soon some 16 keys on, later twice that. For stores that no
 * cache holds; costs next to nothing for small ones. Any hash is fine. */
void fl_store_ahead(const struct fl_store *s, uint64_t soon, uint64_t later);
/* Keys from..to (to excluded; p NULL: open) in byte order; see returns nonzero to stop. The store must not change
 * meanwhile. */
int fl_store_range(struct fl_store *s, struct fl_str from, struct fl_str to,
		int (*see)(void *arg, struct fl_str key, struct fl_str value), void *arg, char *err);

/* An event's changes that may have to be undone: mark, then rollback or nothing. Only put and del are undone. A mark
 * holds until the next one, or until fl_state_collect, snapshot or settled. */
void fl_state_mark(struct fl_state *st);
void fl_state_rollback(struct fl_state *st);

/* Changes since the last collect, each key once, in the order of first change: the value as it is now (p NULL:
 * deleted). What is collected counts as handed to a commit. The value is in the form that the changelog and LMDB
 * keep (the event time of its change in front, 8 bytes, also in a store without ttl, so that it can get one):
 * fl_store_apply takes it back as it is. Slices are good during the call. */
void fl_state_collect(struct fl_state *st,
		void (*see)(void *arg, struct fl_store *s, struct fl_str key, struct fl_str value), void *arg);

/* Checkpoint. due: whether the overlay asks for one now, whatever the time. next[]: for each store in the order of
 * fl_state_stores, the changelog offset behind the last collected and committed change; with conf.dir NULL it may be
 * NULL. A snapshot takes values as they are: what is collected must be committed before, and where something is not
 * collected yet there is none (conf.dir NULL has no log: nothing need be). One at a time. */
int fl_state_due(const struct fl_state *st);
uint32_t fl_state_stores(struct fl_state *st, struct fl_store **out, uint32_t max);
struct fl_snapshot *fl_state_snapshot(struct fl_state *st, const int64_t *next); /* NULL: not now, or nothing changed */
int fl_snapshot_write(struct fl_snapshot *sn, char *err); /* any thread; a full disk is an error: try again later */
void fl_state_settled(struct fl_state *st, struct fl_snapshot *sn, int written); /* frees sn */

/* Restore: the changelog offset that the checkpoint stands at (0: none), and one record of the changelog (-1: it is
 * damaged). */
int64_t fl_store_position(struct fl_store *s);
int fl_store_apply(struct fl_store *s, struct fl_str key, struct fl_str value, int64_t offset, char *err);

size_t fl_state_bytes(const struct fl_state *st); /* of the overlay */

#endif
