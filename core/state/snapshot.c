/* Checkpoints: what changed since the last one is copied on the worker, written on the checkpointer's thread, and
 * what the disk has may then leave memory. One is under way at a time. */
#include "store.h"

#include <stdlib.h>

/* All that LMDB has as it is. Only when memory is over its limit: reading an entry back costs a microsecond. */
static void forget_clean(struct fl_state *st)
{
	for (uint32_t n = 0; n < st->stores; n++) {
		struct fl_overlay *ov = &st->store[n]->ov;
		for (uint32_t i = 0; ov->slot && i <= ov->mask;) {
			struct fl_entry *e = ov->slot[i].e;
			if (e && !e->unsaved)
				fl_overlay_remove(ov, e); /* another may have moved into its place */
			else
				i++;
		}
		fl_overlay_fit(ov);
	}
}

/* Without a directory nothing is ever restored, so that there is no log to wait for. */
static void drop_collected(struct fl_state *st)
{
	for (uint32_t i = 0; i < st->collect.n; i++)
		if (st->collect.at[i])
			st->collect.at[i]->collect = 0;
	st->collect.n = 0;
}

static size_t item_size(const struct fl_entry *e)
{
	return 1 + (size_t)e->key_len + (e->flags & FL_ENTRY_GONE ? 0 : sizeof e->time + e->len);
}

static char *copy_item(struct fl_disk_item *it, const struct fl_entry *e, char *to)
{
	it->key = to;
	it->key_len = e->key_len + 1u;
	*to = FL_DISK_KEY;
	memcpy(to + 1, (const char *)e - e->key_len, e->key_len);
	to += it->key_len;
	if (e->flags & FL_ENTRY_GONE)
		return to;
	it->value = to;
	it->len = (uint32_t)sizeof e->time + e->len;
	memcpy(to, &e->time, it->len);
	return to + it->len;
}

static uint32_t store_index(const struct fl_state *st, const struct fl_store *s)
{
	uint32_t i = 0;
	while (st->store[i] != s)
		i++;
	return i;
}

static void copy_items(struct fl_state *st, struct fl_snapshot *sn, uint32_t n, size_t size)
{
	char *to = sn->bytes = fl_realloc(NULL, size);
	sn->item = fl_alloc(n * sizeof *sn->item);
	for (uint32_t i = 0; i < st->unsaved.n; i++) {
		struct fl_entry *e = st->unsaved.at[i];
		if (!e)
			continue;
		struct fl_disk_item *it = &sn->item[sn->items++];
		it->target = store_index(st, e->store);
		to = copy_item(it, e, to);
		e->unsaved = 0;
	}
	st->unsaved.n = 0;
}

struct fl_snapshot *fl_state_snapshot(struct fl_state *st, const int64_t *next)
{
	FL_ASSERT(!st->snapshot);
	fl_undo_end(st);
	if (!st->dir) {
		if (fl_state_bytes(st) <= st->limit)
			return NULL;
		drop_collected(st);
	}
	if (st->collect.n)
		return NULL; /* a value holds more than the log does */
	uint32_t n = 0;
	size_t size = 0;
	for (uint32_t i = 0; i < st->unsaved.n; i++)
		if (st->unsaved.at[i]) {
			n++;
			size += item_size(st->unsaved.at[i]);
		}
	if (!n) {
		if (fl_state_bytes(st) > st->limit)
			forget_clean(st);
		return NULL;
	}
	struct fl_snapshot *sn = fl_alloc(sizeof *sn);
	*sn = (struct fl_snapshot){.state = st, .disk = st->disk, .targets = st->stores, .time = st->time};
	sn->target = fl_alloc(st->stores * sizeof *sn->target);
	for (uint32_t i = 0; i < st->stores; i++)
		sn->target[i] = (struct fl_disk_target){.name = st->store[i]->name, .next = next ? next[i] : 0};
	copy_items(st, sn, n, size);
	return st->snapshot = sn;
}

int fl_snapshot_write(struct fl_snapshot *sn, char *err)
{
	if (!sn->disk && fl_disk_open(sn->state->dir, 1, &sn->disk, err))
		return -1;
	return fl_disk_write(sn->disk, sn->target, sn->targets, sn->item, sn->items, sn->time, err);
}

/* Not written: the entries must go into the next one. Written: those of deleted keys have nothing more to hide. */
static void settle_item(struct fl_state *st, const struct fl_disk_item *it, int written)
{
	if (written && it->value)
		return;
	struct fl_store *s = st->store[it->target];
	struct fl_str key = {it->key + 1, it->key_len - 1};
	struct fl_entry *e = fl_overlay_find(&s->ov, key, fl_key_hash(key));
	if (!e || e->unsaved)
		return;
	if (!written)
		e->unsaved = fl_entries_add(&st->unsaved, e);
	else if (e->flags & FL_ENTRY_GONE)
		fl_overlay_remove(&s->ov, e);
}

void fl_state_settled(struct fl_state *st, struct fl_snapshot *sn, int written)
{
	char err[FL_ERRLEN];
	FL_ASSERT(st->snapshot == sn);
	fl_undo_end(st);
	st->snapshot = NULL;
	st->disk = sn->disk;
	if (st->disk && fl_disk_refresh(st->disk, err))
		fl_state_fail(st, err);
	for (uint32_t i = 0; written && i < sn->targets; i++) {
		st->store[i]->on_disk = 1;
		st->store[i]->db = sn->target[i].db;
		st->store[i]->position = sn->target[i].next;
	}
	for (uint32_t i = 0; i < sn->items; i++)
		settle_item(st, &sn->item[i], written);
	if (fl_state_bytes(st) > st->limit)
		forget_clean(st);
	free(sn->bytes);
	free(sn->item);
	free(sn->target);
	free(sn);
}
