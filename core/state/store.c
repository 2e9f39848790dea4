/* Reading and changing the values of a store. Called for events on the task's worker: the hot part of this layer. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "store.h"

uint64_t fl_key_hash(struct fl_str key) { return XXH3_64bits(key.p, key.len); }

void fl_entry_touch(struct fl_state *st, struct fl_entry *e)
{
	if (!e->collect)
		e->collect = fl_entries_add(&st->collect, e);
	if (!e->unsaved)
		e->unsaved = fl_entries_add(&st->unsaved, e);
}

void fl_entry_untouch(struct fl_state *st, struct fl_entry *e, int collect, int unsaved)
{
	if (!collect && e->collect) {
		fl_entries_cut(&st->collect, e->collect);
		e->collect = 0;
	}
	if (!unsaved && e->unsaved) {
		fl_entries_cut(&st->unsaved, e->unsaved);
		e->unsaved = 0;
	}
}

void fl_entry_expire(struct fl_state *st, struct fl_entry *e)
{
	e->flags |= FL_ENTRY_GONE;
	e->len = 0;
	fl_entry_touch(st, e);
}

__attribute__((noinline)) static struct fl_entry *load(struct fl_store *s, struct fl_str key, uint64_t hash)
{
	char err[FL_ERRLEN];
	struct fl_str v;
	int found = fl_disk_get(s->state->disk, s->db, key, &v, err);
	if (found < 0)
		fl_state_fail(s->state, err);
	if (found <= 0)
		return NULL;
	uint32_t len = v.len - (uint32_t)sizeof(double);
	struct fl_entry *e = fl_overlay_add(&s->ov, s, key, hash, len);
	memcpy(&e->time, v.p, sizeof e->time);
	memcpy(e->value, v.p + sizeof e->time, len);
	e->len = len;
	return e;
}

__attribute__((always_inline)) static inline struct fl_entry *find(struct fl_store *s, struct fl_str key, uint64_t hash)
{
	struct fl_entry *e = fl_overlay_find(&s->ov, key, hash);
	return e || !s->on_disk ? e : load(s, key, hash);
}

struct fl_entry *fl_store_find(struct fl_store *s, struct fl_str key, uint64_t hash) { return find(s, key, hash); }

__attribute__((noinline)) static struct fl_entry *make(struct fl_store *s, struct fl_str key, uint64_t hash, uint32_t size)
{
	struct fl_entry *e = fl_overlay_add(&s->ov, s, key, hash, size);
	e->flags = FL_ENTRY_GONE;
	return e;
}

/* The journal and the lists know an entry by its address. */
__attribute__((noinline)) static struct fl_entry *grow(struct fl_store *s, struct fl_entry *e, uint32_t size)
{
	struct fl_state *st = s->state;
	int noted = fl_undo_has(st, e);
	e = fl_overlay_grow(&s->ov, e, size);
	if (e->collect)
		st->collect.at[e->collect - 1] = e;
	if (e->unsaved)
		st->unsaved.at[e->unsaved - 1] = e;
	if (noted)
		st->undo[e->undo - 1].e = e;
	return e;
}

void *fl_store_at(struct fl_store *s, struct fl_str key, uint64_t hash, uint32_t size, uint32_t *len)
{
	*len = 0;
	if (key.len > FL_KEY_MAX)
		return NULL;
	struct fl_entry *e = find(s, key, hash);
	if (!e)
		e = make(s, key, hash, size);
	else if (e->cap < size)
		e = grow(s, e, size);
	if (!(e->flags & FL_ENTRY_GONE)) {
		if (fl_entry_expired(s, e->time))
			fl_entry_expire(s->state, e);
		*len = s->usual = e->len;
	}
	if (*len < size)
		memset(e->value + *len, 0, size - *len);
	return e->value;
}

void fl_store_changed(struct fl_store *s, void *value, uint32_t len)
{
	struct fl_entry *e = (struct fl_entry *)((char *)value - offsetof(struct fl_entry, value));
	FL_ASSERT(e->magic == FL_ENTRY_MAGIC && e->store == s && len <= e->cap);
	e->len = len;
	e->time = s->state->time;
	e->flags &= (uint8_t)~FL_ENTRY_GONE;
	if (!e->collect || !e->unsaved)
		fl_entry_touch(s->state, e);
}

const void *fl_store_get(struct fl_store *s, struct fl_str key, uint64_t hash, uint32_t *len)
{
	*len = 0;
	if (key.len > FL_KEY_MAX)
		return NULL;
	struct fl_entry *e = find(s, key, hash);
	if (!e || e->flags & FL_ENTRY_GONE || fl_entry_expired(s, e->time))
		return NULL;
	*len = e->len;
	return e->value;
}

void fl_store_put(struct fl_store *s, struct fl_str key, uint64_t hash, const void *value, uint32_t len)
{
	FL_ASSERT(key.len <= FL_KEY_MAX && len <= INT32_MAX);
	struct fl_entry *e = fl_store_find(s, key, hash);
	int made = !e;
	if (made)
		e = make(s, key, hash, len);
	fl_undo_note(s->state, e, made);
	if (e->cap < len)
		e = grow(s, e, len + len / 4); /* a text that has grown grows again */
	if (len)
		memmove(e->value, value, len);
	fl_store_changed(s, e->value, len);
}

void fl_store_del(struct fl_store *s, struct fl_str key, uint64_t hash)
{
	FL_ASSERT(key.len <= FL_KEY_MAX);
	struct fl_entry *e = fl_store_find(s, key, hash);
	if (!e || e->flags & FL_ENTRY_GONE)
		return;
	fl_undo_note(s->state, e, 0);
	fl_entry_expire(s->state, e);
}

/* Random keys of a store that the near cache doesn't hold cost a miss for the slot and again for the entry, with
 * many keys a quarter of a microsecond, which passes while other events are worked on. No more is fetched than is
 * asked for: the processor has room for a dozen lines under way. */
#define SMALL 16u
#define LINE 64u
#define AHEAD_MAX 640u

void fl_store_ahead(const struct fl_store *s, uint64_t soon, uint64_t later)
{
	const struct fl_overlay *ov = &s->ov;
	if (ov->n < SMALL)
		return;
	__builtin_prefetch(&ov->slot[(uint32_t)later & ov->mask]);
	const struct fl_slot *slot = &ov->slot[(uint32_t)soon & ov->mask]; /* most keys are in the first one */
	const char *e = (const char *)slot->e;
	if (!e)
		return;
	const char *end = e + offsetof(struct fl_entry, value) + (s->usual < AHEAD_MAX ? s->usual : AHEAD_MAX);
	for (const char *at = e - 1; at < end; at += LINE)
		__builtin_prefetch(at);
}

/* What the changelog holds is committed already: it needs a checkpoint, but no collecting. */
int fl_store_apply(struct fl_store *s, struct fl_str key, struct fl_str value, int64_t offset, char *err)
{
	if (offset < s->position)
		return 0;
	if (!key.p || key.len > FL_KEY_MAX || (value.p && value.len < sizeof(double)))
		return fl_err(err, "the changelog of the store \"%s\" is damaged: its record at offset %lld can't be one (key of %u, "
				"value of %u bytes)", s->name, (long long)offset, key.len, value.len);
	uint64_t hash = fl_key_hash(key);
	struct fl_entry *e = fl_store_find(s, key, hash);
	uint32_t len = value.p ? value.len - (uint32_t)sizeof(double) : 0;
	if (!e && !value.p)
		return 0;
	if (!e)
		e = make(s, key, hash, len);
	else if (e->cap < len)
		e = grow(s, e, len);
	e->flags = value.p ? 0 : FL_ENTRY_GONE;
	e->len = len;
	if (value.p) {
		memcpy(&e->time, value.p, sizeof e->time);
		memcpy(e->value, value.p + sizeof e->time, len);
		fl_state_time(s->state, e->time);
	}
	if (!e->unsaved)
		e->unsaved = fl_entries_add(&s->state->unsaved, e);
	return 0;
}
