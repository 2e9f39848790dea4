/* The cache of what was committed just now: readers that keep up get their segments from here, and never ask SQLite.
 * Filled by the committer, read by all readers, under mem_lock. The oldest go first, when it is full or when they are
 * older than any reader that keeps up would need. */
#include <stdlib.h>

#include "../../event/codec.h"
#include "embedded.h"

#define OLD 10.0 /* seconds */

static int64_t weight(const struct fl_segment *s) { return (int64_t)(s->size + sizeof *s + FL_PAD + 64); }

static void drop_oldest(struct embedded *e)
{
	struct part *p = e->fifo[e->fifo_head];
	struct fl_segment *seg = p->ring[p->ring_head];
	e->fifo_head = (e->fifo_head + 1) % e->fifo_cap;
	e->fifo_n--;
	p->ring_head = (p->ring_head + 1) % p->ring_cap;
	p->ring_n--;
	e->cache_bytes -= weight(seg);
	fl_segment_unref(seg);
}

/* Makes room for one more in a ring of pointers. */
static void *grow(void *ring, uint32_t *head, uint32_t n, uint32_t *cap)
{
	void **old = ring;
	if (n < *cap)
		return old;
	uint32_t more = *cap ? *cap * 2 : 16;
	void **now = fl_alloc(more * sizeof(void *));
	for (uint32_t i = 0; i < n; i++)
		now[i] = old[(*head + i) % *cap];
	free(old);
	*head = 0;
	*cap = more;
	return now;
}

void fl_emb_cache_add(struct embedded *e, struct part *p, struct fl_segment *seg)
{
	p->ring = grow(p->ring, &p->ring_head, p->ring_n, &p->ring_cap);
	p->ring[(p->ring_head + p->ring_n++) % p->ring_cap] = fl_segment_ref(seg);
	e->fifo = grow(e->fifo, &e->fifo_head, e->fifo_n, &e->fifo_cap);
	e->fifo[(e->fifo_head + e->fifo_n++) % e->fifo_cap] = p;
	e->cache_bytes += weight(seg);
	while (e->cache_bytes > e->cache_limit && e->fifo_n)
		drop_oldest(e);
}

struct fl_segment *fl_emb_cache_find(struct embedded *e, struct part *p, int64_t from)
{
	struct fl_segment *found = NULL;
	pthread_mutex_lock(&e->mem_lock);
	uint32_t low = 0, high = p->ring_n; /* the first whose base is past from */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (p->ring[(p->ring_head + mid) % p->ring_cap]->base <= from)
			low = mid + 1;
		else
			high = mid;
	}
	if (low > 0) {
		struct fl_segment *seg = p->ring[(p->ring_head + low - 1) % p->ring_cap];
		if (from < seg->base + seg->n)
			found = fl_segment_ref(seg);
	}
	pthread_mutex_unlock(&e->mem_lock);
	return found;
}

void fl_emb_cache_expire(struct embedded *e, double now)
{
	pthread_mutex_lock(&e->mem_lock);
	while (e->fifo_n) {
		struct part *p = e->fifo[e->fifo_head];
		if (p->ring[p->ring_head]->time > now - OLD)
			break;
		drop_oldest(e);
	}
	pthread_mutex_unlock(&e->mem_lock);
}

void fl_emb_cache_free(struct embedded *e)
{
	while (e->fifo_n)
		drop_oldest(e);
	free(e->fifo);
	for (uint32_t s = 0; s < atomic_load(&e->streams); s++)
		for (uint32_t i = 0; i < e->stream[s]->partitions; i++)
			free(e->stream[s]->part[i].ring);
}
