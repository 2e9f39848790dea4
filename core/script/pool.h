/* Small blocks of one lua_State, all given back at once when it closes. */
#ifndef FL_SCRIPT_POOL_H
#define FL_SCRIPT_POOL_H

#include <stddef.h>

#define FL_POOL_BLOCK 1024 /* the largest block that comes from a pool */
#define FL_POOL_STEP 16    /* sizes are rounded up to this */

/* Zeroed: empty. */
struct fl_pool {
	char *mem, *next, *end; /* one mapping; what is behind next was never used */
	void *free[FL_POOL_BLOCK / FL_POOL_STEP]; /* blocks of each size that came back */
};

/* As a lua_Alloc: n 0 frees p and gives NULL, otherwise a block of n bytes that begins with what p held. It never
 * fails. was is p's size, which must be right. */
void *fl_pool_realloc(struct fl_pool *pool, void *p, size_t was, size_t n);
void fl_pool_free(struct fl_pool *pool); /* with all its blocks up to FL_POOL_BLOCK; larger ones must be freed before */

#endif
