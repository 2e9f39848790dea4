/* The hash table under a store, and the lists of changed entries. Called by store.c, undo.c and snapshot.c on the
 * task's worker. Linear probing over slots of 16 bytes, hash first: a miss is found out without touching an entry. */
#include "overlay.h"

#include <stdlib.h>

#define SLOTS_MIN 16u
#define MALLOC_OVERHEAD 8u

static size_t key_room(uint32_t key_len) { return ((size_t)key_len + 15) & ~(size_t)15; }

/* malloc puts 8 bytes in front of blocks of 16: what a value's last 16 would waste of these is its own. */
static uint32_t value_room(uint32_t cap) { return ((cap + 7) & ~15u) + 8; }

static size_t block_size(const struct fl_entry *e)
{
	return key_room(e->key_len) + sizeof *e + e->cap + MALLOC_OVERHEAD;
}

static struct fl_entry *block_new(struct fl_overlay *ov, uint32_t key_len, uint32_t cap)
{
	char *base = fl_realloc(NULL, key_room(key_len) + sizeof(struct fl_entry) + cap);
	struct fl_entry *e = (struct fl_entry *)(base + key_room(key_len));
	*e = (struct fl_entry){.cap = cap, .key_len = (uint16_t)key_len, .magic = FL_ENTRY_MAGIC};
	ov->bytes += block_size(e);
	return e;
}

static void block_free(struct fl_overlay *ov, struct fl_entry *e)
{
	ov->bytes -= block_size(e);
	e->magic = 0;
	free((char *)e - key_room(e->key_len));
}

static void place(struct fl_overlay *ov, struct fl_entry *e)
{
	uint32_t i = (uint32_t)e->hash & ov->mask;
	while (ov->slot[i].e)
		i = (i + 1) & ov->mask;
	ov->slot[i] = (struct fl_slot){e->hash, e};
}

static void resize(struct fl_overlay *ov, uint32_t slots)
{
	struct fl_slot *old = ov->slot;
	uint32_t n = old ? ov->mask + 1 : 0;
	ov->slot = fl_alloc(slots * sizeof *ov->slot);
	ov->mask = slots - 1;
	ov->bytes += slots * sizeof *ov->slot - n * sizeof *ov->slot;
	for (uint32_t i = 0; i < n; i++)
		if (old[i].e)
			place(ov, old[i].e);
	free(old);
}

static uint32_t slot_of(const struct fl_overlay *ov, const struct fl_entry *e)
{
	uint32_t i = (uint32_t)e->hash & ov->mask;
	while (ov->slot[i].e != e) {
		FL_ASSERT(ov->slot[i].e);
		i = (i + 1) & ov->mask;
	}
	return i;
}

struct fl_entry *fl_overlay_add(struct fl_overlay *ov, struct fl_store *s, struct fl_str key, uint64_t hash,
		uint32_t cap)
{
	if (!ov->slot)
		resize(ov, SLOTS_MIN);
	else if ((uint64_t)(ov->n + 1) * 3 > (uint64_t)(ov->mask + 1) * 2)
		resize(ov, (ov->mask + 1) * 2);
	struct fl_entry *e = block_new(ov, key.len, value_room(cap));
	e->hash = hash;
	e->store = s;
	if (key.len)
		memcpy((char *)e - key.len, key.p, key.len);
	place(ov, e);
	ov->n++;
	ov->shape++;
	return e;
}

struct fl_entry *fl_overlay_grow(struct fl_overlay *ov, struct fl_entry *e, uint32_t cap)
{
	struct fl_entry *to = block_new(ov, e->key_len, value_room(cap));
	cap = to->cap;
	memcpy((char *)to - e->key_len, (char *)e - e->key_len, e->key_len + sizeof *e + e->len);
	to->cap = cap;
	ov->slot[slot_of(ov, e)].e = to;
	block_free(ov, e);
	ov->shape++;
	return to;
}

/* What stands behind the hole and may stand nearer to its own place moves up, so that no probe meets a gap. */
void fl_overlay_remove(struct fl_overlay *ov, struct fl_entry *e)
{
	uint32_t hole = slot_of(ov, e);
	for (uint32_t i = (hole + 1) & ov->mask; ov->slot[i].e; i = (i + 1) & ov->mask) {
		uint32_t home = (uint32_t)ov->slot[i].hash & ov->mask;
		if (((i - home) & ov->mask) >= ((i - hole) & ov->mask)) {
			ov->slot[hole] = ov->slot[i];
			hole = i;
		}
	}
	ov->slot[hole].e = NULL;
	ov->n--;
	ov->shape++;
	block_free(ov, e);
}

void fl_overlay_fit(struct fl_overlay *ov)
{
	uint32_t slots = SLOTS_MIN;
	while ((uint64_t)slots < (uint64_t)ov->n * 2)
		slots *= 2;
	if (ov->slot && slots < ov->mask + 1)
		resize(ov, slots);
}

void fl_overlay_free(struct fl_overlay *ov)
{
	for (uint32_t i = 0; ov->slot && i <= ov->mask; i++)
		if (ov->slot[i].e)
			block_free(ov, ov->slot[i].e);
	free(ov->slot);
	*ov = (struct fl_overlay){0};
}

uint32_t fl_entries_add(struct fl_entries *l, struct fl_entry *e)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 16;
		l->at = fl_realloc(l->at, l->cap * sizeof *l->at);
	}
	l->at[l->n++] = e;
	return l->n;
}

void fl_entries_cut(struct fl_entries *l, uint32_t place1)
{
	FL_ASSERT(place1 && place1 <= l->n);
	l->at[place1 - 1] = NULL;
	while (l->n && !l->at[l->n - 1])
		l->n--;
}
