/* The overlay of one store: an open-addressing table of keys, each with its value in one block. Used by the files of
 * this layer only, on the task's worker. */
#ifndef FL_STATE_OVERLAY_H
#define FL_STATE_OVERLAY_H

#include "../base/buf.h"

enum { FL_ENTRY_GONE = 1 }; /* deleted, or made by fl_store_at and not changed yet: reads see nothing */
#define FL_ENTRY_MAGIC 0xe7

/* A key and its value. The key's bytes end where this begins, the value begins where this ends: a hit touches one place
 * in memory, and a value's address leads back to its entry. The time stands in front of the value because the two
 * together are what changelog and checkpoint keep. */
struct fl_entry {
	uint64_t hash;
	struct fl_store *store;
	uint32_t len, cap;         /* of the value */
	uint32_t collect, unsaved; /* 1 + place in the state's lists of these names, 0: not in it; in collect: in both */
	uint32_t undo;             /* 1 + place in the journal; holds only if that place names this entry */
	uint16_t key_len;
	uint8_t flags, magic;
	double time; /* event time of the last change */
	char value[];
};
_Static_assert(offsetof(struct fl_entry, value) == 48, "values are aligned to 16, and follow the time");

struct fl_slot {
	uint64_t hash;
	struct fl_entry *e; /* NULL: free */
};

struct fl_overlay {
	struct fl_slot *slot; /* NULL until the first key */
	uint32_t mask, n;
	uint32_t shape; /* counts up whenever an entry comes, goes or moves */
	size_t bytes;
};

/* Entries in the order they were added; one that was taken out leaves NULL. */
struct fl_entries {
	struct fl_entry **at;
	uint32_t n, cap;
};

static inline struct fl_str fl_entry_key(const struct fl_entry *e)
{
	return (struct fl_str){(const char *)e - e->key_len, e->key_len};
}

static inline int fl_entry_is(const struct fl_entry *e, struct fl_str key)
{
	return e->key_len == key.len && fl_same((const char *)e - key.len, key.p, key.len);
}

static inline struct fl_entry *fl_overlay_find(const struct fl_overlay *ov, struct fl_str key, uint64_t hash)
{
	if (!ov->slot)
		return NULL;
	for (uint32_t i = (uint32_t)hash & ov->mask; ov->slot[i].e; i = (i + 1) & ov->mask)
		if (ov->slot[i].hash == hash && fl_entry_is(ov->slot[i].e, key))
			return ov->slot[i].e;
	return NULL;
}

/* A key that is not there yet; its value is not zeroed. */
struct fl_entry *fl_overlay_add(struct fl_overlay *ov, struct fl_store *s, struct fl_str key, uint64_t hash,
		uint32_t cap);
/* The same entry with room for cap bytes, elsewhere: whoever keeps its address is told by the return value. */
struct fl_entry *fl_overlay_grow(struct fl_overlay *ov, struct fl_entry *e, uint32_t cap);
void fl_overlay_remove(struct fl_overlay *ov, struct fl_entry *e);
void fl_overlay_fit(struct fl_overlay *ov); /* after many removals: a table of the right size */
void fl_overlay_free(struct fl_overlay *ov);

uint32_t fl_entries_add(struct fl_entries *l, struct fl_entry *e); /* returns 1 + its place */
void fl_entries_cut(struct fl_entries *l, uint32_t place1);        /* takes out what stands at that place */

#endif
