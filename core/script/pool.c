/* The memory of a script's small objects. LuaJIT's collector frees thousands of them in one go, which malloc answers by
 * merging and splitting blocks; here each size has a list, and a block is taken from it or put back by one store. All
 * lists share one mapping of fixed size, so that what lies unused in lists can't outgrow it; when it is full, and for
 * large blocks, malloc serves. Called by the allocator of luacall.c, on the thread that has the script. */
#include "pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../base/err.h"

#define MAPPED ((size_t)16 << 20) /* of addresses: pages that are not touched cost nothing */

/* Under a sanitizer everything comes from malloc, where it sees what is read after it was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POOLED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define POOLED 0
#endif
#endif
#ifndef POOLED
#define POOLED 1
#endif

static inline size_t class_of(size_t n) { return (n - 1) / FL_POOL_STEP; }

static inline int is_ours(const struct fl_pool *pool, const void *p)
{
	return (uintptr_t)p - (uintptr_t)pool->mem < (uintptr_t)pool->end - (uintptr_t)pool->mem;
}

/* The first block asks for the mapping; where there is none, or it is full, malloc serves. */
static void *fresh(struct fl_pool *pool, size_t n)
{
	size_t size = (class_of(n) + 1) * FL_POOL_STEP;
	if (POOLED && !pool->mem) {
		void *mem = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (mem == MAP_FAILED)
			return fl_realloc(NULL, n);
		pool->mem = pool->next = mem;
		pool->end = pool->mem + MAPPED;
	}
	if ((size_t)(pool->end - pool->next) < size)
		return fl_realloc(NULL, n);
	void *p = pool->next;
	pool->next += size;
	return p;
}

static inline void *take(struct fl_pool *pool, size_t n)
{
	if (n > FL_POOL_BLOCK)
		return fl_realloc(NULL, n);
	void **list = &pool->free[class_of(n)], *p = *list;
	if (!p)
		return fresh(pool, n);
	memcpy(list, p, sizeof *list);
	return p;
}

static inline void give_back(struct fl_pool *pool, void *p, size_t was)
{
	if (!is_ours(pool, p)) {
		free(p);
		return;
	}
	void **list = &pool->free[class_of(was)];
	memcpy(p, list, sizeof *list);
	*list = p;
}

void *fl_pool_realloc(struct fl_pool *pool, void *p, size_t was, size_t n)
{
	if (!p)
		return n ? take(pool, n) : NULL;
	if (n == 0) {
		give_back(pool, p, was);
		return NULL;
	}
	if (!is_ours(pool, p) && n > FL_POOL_BLOCK)
		return fl_realloc(p, n);
	if (is_ours(pool, p) && class_of(n) == class_of(was))
		return p;
	void *to = take(pool, n);
	memcpy(to, p, was < n ? was : n);
	give_back(pool, p, was);
	return to;
}

void fl_pool_free(struct fl_pool *pool)
{
	if (pool->mem)
		munmap(pool->mem, (size_t)(pool->end - pool->mem));
	*pool = (struct fl_pool){0};
}
