/* Keys in byte order: the overlay's and the disk's, merged; and the sweep for expired ones, which walks the same two.
 * Called on the task's worker. */
#include "store.h"

#include <stdlib.h>

static int compare(struct fl_str a, struct fl_str b)
{
	uint32_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	return c ? c : (a.len > b.len) - (a.len < b.len);
}

static int by_key(const void *a, const void *b)
{
	return compare(fl_entry_key(*(struct fl_entry *const *)a), fl_entry_key(*(struct fl_entry *const *)b));
}

/* The overlay has no order of its own. The sorted list is kept until an entry comes, goes or moves. */
static void sort_overlay(struct fl_store *s)
{
	if (s->sorted && s->sorted_shape == s->ov.shape)
		return;
	s->sorted = fl_realloc(s->sorted, (s->ov.n + 1) * sizeof(struct fl_entry *));
	s->sorted_n = 0;
	for (uint32_t i = 0; s->ov.slot && i <= s->ov.mask; i++)
		if (s->ov.slot[i].e)
			s->sorted[s->sorted_n++] = s->ov.slot[i].e;
	qsort(s->sorted, s->sorted_n, sizeof(struct fl_entry *), by_key);
	s->sorted_shape = s->ov.shape;
}

static uint32_t lower_bound(const struct fl_store *s, struct fl_str from)
{
	uint32_t lo = 0, hi = s->sorted_n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (compare(fl_entry_key(s->sorted[mid]), from) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int live_on_disk(const struct fl_store *s, struct fl_str stored)
{
	double time;
	memcpy(&time, stored.p, sizeof time);
	return !fl_entry_expired(s, time);
}

struct merge {
	struct fl_store *s;
	struct fl_entry **sorted; /* taken from the store, so that a range within a range makes its own */
	uint32_t at, n;
	struct fl_disk_cursor cur;
	int on_disk; /* 1: cur stands at an entry */
};

/* The next key of both, the overlay's where both have it. 1: a key; *live 0: hidden or expired. */
static int merge_next(struct merge *m, struct fl_str *key, struct fl_str *value, int *live, char *err)
{
	struct fl_entry *e = m->at < m->n ? m->sorted[m->at] : NULL;
	if (!e && m->on_disk <= 0)
		return m->on_disk;
	int c = !e ? 1 : m->on_disk <= 0 ? -1 : compare(fl_entry_key(e), m->cur.key);
	if (c <= 0) {
		*key = fl_entry_key(e);
		*value = (struct fl_str){e->value, e->len};
		*live = !(e->flags & FL_ENTRY_GONE) && !fl_entry_expired(m->s, e->time);
		m->at++;
	} else {
		*key = m->cur.key;
		*value = (struct fl_str){m->cur.value.p + sizeof(double), m->cur.value.len - (uint32_t)sizeof(double)};
		*live = live_on_disk(m->s, m->cur.value);
	}
	if (c >= 0)
		m->on_disk = fl_disk_cursor_next(&m->cur, err);
	return m->on_disk < 0 ? -1 : 1;
}

int fl_store_range(struct fl_store *s, struct fl_str from, struct fl_str to,
		int (*see)(void *arg, struct fl_str key, struct fl_str value), void *arg, char *err)
{
	struct merge m = {.s = s};
	struct fl_str key, value;
	int live, rc;
	sort_overlay(s);
	uint32_t shape = s->sorted_shape;
	m.at = lower_bound(s, from);
	m.n = s->sorted_n;
	m.sorted = s->sorted;
	s->sorted = NULL;
	if (s->on_disk)
		m.on_disk = fl_disk_cursor_begin(&m.cur, s->state->disk, s->db, from, err);
	while ((rc = merge_next(&m, &key, &value, &live, err)) > 0) {
		if (to.p && compare(key, to) >= 0)
			break;
		if (live && compare(key, from) >= 0 && see(arg, key, value))
			break;
	}
	if (s->on_disk)
		fl_disk_cursor_end(&m.cur);
	free(s->sorted);
	s->sorted = m.sorted;
	s->sorted_n = m.n;
	s->sorted_shape = shape;
	return rc < 0 ? -1 : 0;
}

static void sweep_disk(struct fl_store *s, uint32_t budget)
{
	char err[FL_ERRLEN];
	struct fl_disk_cursor cur;
	struct fl_str last = {s->sweep_key.p, (uint32_t)s->sweep_key.len};
	int rc = fl_disk_cursor_begin(&cur, s->state->disk, s->db, last, err);
	for (; rc > 0 && budget; budget--) {
		if (!live_on_disk(s, cur.value)) {
			uint64_t hash = fl_key_hash(cur.key);
			if (!fl_overlay_find(&s->ov, cur.key, hash)) {
				struct fl_entry *e = fl_store_find(s, cur.key, hash);
				if (e)
					fl_entry_expire(s->state, e);
			}
		}
		rc = fl_disk_cursor_next(&cur, err);
	}
	s->sweep_key.len = 0;
	if (rc > 0)
		fl_buf_add(&s->sweep_key, cur.key.p, cur.key.len);
	else if (rc < 0)
		fl_state_fail(s->state, err);
	fl_disk_cursor_end(&cur);
}

void fl_store_sweep(struct fl_store *s, uint32_t budget)
{
	if (!(s->ttl > 0))
		return;
	uint32_t slots = s->ov.slot ? s->ov.mask + 1 : 0;
	for (uint32_t i = 0; i < budget && i < slots; i++, s->sweep_slot++) {
		struct fl_entry *e = s->ov.slot[s->sweep_slot & s->ov.mask].e;
		if (e && !(e->flags & FL_ENTRY_GONE) && fl_entry_expired(s, e->time))
			fl_entry_expire(s->state, e);
	}
	if (s->on_disk)
		sweep_disk(s, budget);
}
