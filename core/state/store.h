/* What the files of this layer share: a task's state and its stores from the inside. */
#ifndef FL_STATE_STORE_H
#define FL_STATE_STORE_H

#include "disk.h"
#include "overlay.h"
#include "state.h"

struct fl_store {
	struct fl_state *state;
	char *name;
	double ttl; /* 0: never */
	struct fl_overlay ov;
	uint32_t usual;   /* bytes of the value that was found last */
	int on_disk;      /* db is a database that the disk's read transaction sees */
	unsigned db;
	int64_t position; /* of the checkpoint */
	struct fl_entry **sorted; /* for ranges: the overlay's entries by key, as of sorted_shape */
	uint32_t sorted_n, sorted_shape;
	uint32_t sweep_slot;     /* where the next sweep for expired entries goes on */
	struct fl_buf sweep_key; /* the same on the disk; empty: from the start */
};

struct fl_undo {
	struct fl_entry *e;
	size_t at; /* of the old value in the journal's bytes */
	double time;
	uint32_t len;
	uint8_t flags, made, collect, unsaved; /* made: the entry did not exist; the lists it was in */
};

struct fl_snapshot {
	struct fl_state *state;
	struct fl_disk *disk; /* the state's, or the one that the first write made */
	char *bytes;
	struct fl_disk_item *item;
	uint32_t items;
	struct fl_disk_target *target;
	uint32_t targets;
	double time;
};

struct fl_state {
	char *dir, *who; /* dir NULL: none that lasts */
	size_t limit;
	int (*restore)(void *arg, struct fl_store *s, char *err);
	void *arg;
	double time;
	struct fl_store **store;
	uint32_t stores;
	struct fl_entries collect; /* changed since the last collect */
	struct fl_entries unsaved; /* changed since the last snapshot */
	struct fl_undo *undo;
	uint32_t undos, undo_cap;
	struct fl_buf undo_bytes;
	int marked;
	struct fl_disk *disk;         /* NULL until there is a checkpoint */
	struct fl_snapshot *snapshot; /* under way */
	char failed[FL_ERRLEN];
};

static inline int fl_entry_expired(const struct fl_store *s, double time)
{
	return s->ttl > 0 && s->state->time >= time + s->ttl;
}

/* The entry of a key, taken into the overlay where only the disk has it; NULL where neither does. */
struct fl_entry *fl_store_find(struct fl_store *s, struct fl_str key, uint64_t hash);
/* Into both lists of changes. */
void fl_entry_touch(struct fl_state *st, struct fl_entry *e);
void fl_entry_untouch(struct fl_state *st, struct fl_entry *e, int collect, int unsaved); /* out of those that are 0 */
void fl_entry_expire(struct fl_state *st, struct fl_entry *e);
void fl_state_fail(struct fl_state *st, const char *err); /* the first text stays */

/* Whether the journal knows what e was at the mark: a place may be left over from an earlier mark. */
static inline int fl_undo_has(const struct fl_state *st, const struct fl_entry *e)
{
	return e->undo && e->undo <= st->undos && st->undo[e->undo - 1].e == e;
}
void fl_undo_note(struct fl_state *st, struct fl_entry *e, int made); /* before a put or del changes e */
void fl_undo_end(struct fl_state *st);

void fl_store_sweep(struct fl_store *s, uint32_t budget); /* deletes expired entries among the next few */

#endif
