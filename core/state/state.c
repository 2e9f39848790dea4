/* A task's state: opening and closing it, its stores, collecting changes for the changelog. Called on the task's
 * worker. */
#include "store.h"

#include <stdlib.h>

#include "../base/log.h"

#define KEEP ((size_t)1 << 20) /* a journal that was larger once gives its memory back */

struct fl_state *fl_state_open(const struct fl_state_conf *conf, char *err)
{
	struct fl_state *st = fl_alloc(sizeof *st);
	st->who = fl_strdup(conf->who ? conf->who : "state");
	st->limit = conf->overlay ? conf->overlay : FL_STATE_OVERLAY;
	st->restore = conf->restore;
	st->arg = conf->arg;
	if (!conf->dir)
		return st;
	st->dir = fl_strdup(conf->dir);
	if (fl_disk_open(st->dir, 0, &st->disk, err) || (st->disk && fl_disk_refresh(st->disk, err))) {
		fl_state_close(st);
		return NULL;
	}
	if (st->disk)
		st->time = fl_disk_time(st->disk);
	return st;
}

static void store_free(struct fl_store *s)
{
	fl_overlay_free(&s->ov);
	fl_buf_free(&s->sweep_key);
	free(s->sorted);
	free(s->name);
	free(s);
}

void fl_state_close(struct fl_state *st)
{
	if (!st)
		return;
	FL_ASSERT(!st->snapshot);
	for (uint32_t i = 0; i < st->stores; i++)
		store_free(st->store[i]);
	free(st->store);
	free(st->collect.at);
	free(st->unsaved.at);
	free(st->undo);
	fl_buf_free(&st->undo_bytes);
	fl_disk_close(st->disk);
	free(st->dir);
	free(st->who);
	free(st);
}

static int check_name(const char *name, char *err)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	if (!n || name[n])
		return fl_err(err, "a store can't be called \"%.100s\": use letters, digits and . _ -", name);
	if (n > FL_STORE_NAME_MAX)
		return fl_err(err, "the store's name \"%.40s…\" has %zu bytes; at most %d", name, n, FL_STORE_NAME_MAX);
	return 0;
}

static struct fl_store *find_store(const struct fl_state *st, const char *name)
{
	for (uint32_t i = 0; i < st->stores; i++)
		if (!strcmp(st->store[i]->name, name))
			return st->store[i];
	return NULL;
}

/* One that could not be restored: nobody has seen it, but what the changelog gave it may wait for a checkpoint. */
static void forget_store(struct fl_state *st, struct fl_store *s)
{
	for (uint32_t i = st->unsaved.n; i > 0; i--)
		if (i <= st->unsaved.n && st->unsaved.at[i - 1] && st->unsaved.at[i - 1]->store == s)
			fl_entries_cut(&st->unsaved, i);
	st->stores--;
	FL_ASSERT(st->store[st->stores] == s);
	store_free(s);
}

struct fl_store *fl_state_store(struct fl_state *st, const char *name, double ttl, char *err)
{
	struct fl_store *s = find_store(st, name);
	if (s) {
		s->ttl = ttl;
		return s;
	}
	if (check_name(name, err))
		return NULL;
	unsigned db = 0;
	int64_t position = 0;
	int there = st->disk && fl_disk_store(st->disk, name, &db, &position);
	if (!there && st->stores + (st->disk ? fl_disk_stores(st->disk) : 0) >= FL_DISK_STORES) {
		fl_err(err, "no room for the store \"%s\": a task can have %d, those that were once in %s included", name,
				FL_DISK_STORES, st->dir ? st->dir : "memory");
		return NULL;
	}
	s = fl_alloc(sizeof *s);
	*s = (struct fl_store){.state = st, .name = fl_strdup(name), .ttl = ttl, .on_disk = there, .db = db,
			.position = position};
	st->store = fl_realloc(st->store, (st->stores + 1) * sizeof(struct fl_store *));
	st->store[st->stores++] = s;
	if (!st->restore || st->restore(st->arg, s, err) == 0)
		return s;
	forget_store(st, s);
	return NULL;
}

const char *fl_store_name(const struct fl_store *s) { return s->name; }

int64_t fl_store_position(struct fl_store *s) { return s->position; }

uint32_t fl_state_stores(struct fl_state *st, struct fl_store **out, uint32_t max)
{
	for (uint32_t i = 0; i < st->stores && i < max; i++)
		out[i] = st->store[i];
	return st->stores;
}

void fl_state_time(struct fl_state *st, double t)
{
	if (t > st->time)
		st->time = t;
}

int fl_state_expires(const struct fl_state *st)
{
	for (uint32_t i = 0; i < st->stores; i++)
		if (st->store[i]->ttl > 0)
			return 1;
	return 0;
}

size_t fl_state_bytes(const struct fl_state *st)
{
	size_t n = 0;
	for (uint32_t i = 0; i < st->stores; i++)
		n += st->store[i]->ov.bytes;
	return n;
}

int fl_state_due(const struct fl_state *st) { return !st->snapshot && fl_state_bytes(st) > st->limit; }

void fl_state_fail(struct fl_state *st, const char *err)
{
	if (st->failed[0])
		return;
	memcpy(st->failed, err, sizeof st->failed);
	fl_log(FL_ERROR, st->who, "%s", err);
}

const char *fl_state_failed(const struct fl_state *st) { return st->failed[0] ? st->failed : NULL; }

/* Expired entries are looked for at the pace of changes, so that they go no slower than others come. */
void fl_state_collect(struct fl_state *st,
		void (*see)(void *arg, struct fl_store *s, struct fl_str key, struct fl_str value), void *arg)
{
	fl_undo_end(st);
	uint32_t budget = 64 + 2 * st->collect.n;
	for (uint32_t i = 0; i < st->stores; i++)
		fl_store_sweep(st->store[i], budget);
	for (uint32_t i = 0; i < st->collect.n; i++) {
		struct fl_entry *e = st->collect.at[i];
		if (!e)
			continue;
		e->collect = 0;
		struct fl_str value = {NULL, 0};
		if (!(e->flags & FL_ENTRY_GONE))
			value = (struct fl_str){(const char *)&e->time, (uint32_t)sizeof e->time + e->len};
		see(arg, e->store, fl_entry_key(e), value);
	}
	st->collect.n = 0;
}

/* ---- the journal: what put and del changed since the mark
 * --------------------------------------------------------- */

void fl_undo_end(struct fl_state *st)
{
	st->undos = 0;
	st->undo_bytes.len = 0;
	st->marked = 0;
	if (st->undo_bytes.cap > KEEP)
		fl_buf_free(&st->undo_bytes);
}

void fl_state_mark(struct fl_state *st)
{
	st->undos = 0;
	st->undo_bytes.len = 0;
	st->marked = 1;
}

void fl_undo_note(struct fl_state *st, struct fl_entry *e, int made)
{
	if (!st->marked || fl_undo_has(st, e))
		return;
	if (st->undos == st->undo_cap) {
		st->undo_cap = st->undo_cap ? st->undo_cap * 2 : 8;
		st->undo = fl_realloc(st->undo, st->undo_cap * sizeof *st->undo);
	}
	st->undo[st->undos] = (struct fl_undo){.e = e, .at = st->undo_bytes.len, .time = e->time, .len = e->len,
			.flags = e->flags, .made = (uint8_t)made, .collect = e->collect != 0, .unsaved = e->unsaved != 0};
	e->undo = ++st->undos;
	fl_buf_add(&st->undo_bytes, e->value, e->len);
}

/* A value's room never shrinks, so that the old one fits where the new one is. */
void fl_state_rollback(struct fl_state *st)
{
	while (st->undos) {
		struct fl_undo *u = &st->undo[--st->undos];
		struct fl_entry *e = u->e;
		fl_entry_untouch(st, e, u->collect, u->unsaved);
		if (u->made) {
			fl_overlay_remove(&e->store->ov, e);
			continue;
		}
		if (u->len)
			memcpy(e->value, st->undo_bytes.p + u->at, u->len);
		e->len = u->len;
		e->time = u->time;
		e->flags = u->flags;
	}
	fl_undo_end(st);
}
