/* A growing run of bytes, and an arena: memory that is given back all at once. Not shared between threads. */
#ifndef FL_BASE_BUF_H
#define FL_BASE_BUF_H

#include <stdarg.h>
#include <string.h>

#include "err.h"

struct fl_buf {
	char *p;
	size_t len, cap;
};

void fl_buf_grow(struct fl_buf *b, size_t more); /* room for more bytes behind len */
void fl_buf_printf(struct fl_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fl_buf_vprintf(struct fl_buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void fl_buf_free(struct fl_buf *b);

static inline char *fl_buf_room(struct fl_buf *b, size_t more)
{
	if (b->cap - b->len < more)
		fl_buf_grow(b, more);
	return b->p + b->len;
}

static inline void fl_buf_add(struct fl_buf *b, const void *p, size_t n)
{
	if (n)
		memcpy(fl_buf_room(b, n), p, n);
	b->len += n;
}

static inline void fl_buf_byte(struct fl_buf *b, char c)
{
	*fl_buf_room(b, 1) = c;
	b->len++;
}

#define FL_BUF_LIT(b, s) fl_buf_add((b), (s), sizeof(s) - 1)

/* An arena keeps its blocks at a reset, so that a warm one allocates nothing; a block over 1 MiB is given back. */
struct fl_arena_block;
struct fl_arena {
	struct fl_arena_block *first, *at;
	char *p, *end;
};

void *fl_arena_alloc(struct fl_arena *a, size_t n); /* aligned to 8, not zeroed; valid until the reset */
void fl_arena_reset(struct fl_arena *a);
void fl_arena_free(struct fl_arena *a);

static inline struct fl_str fl_arena_copy(struct fl_arena *a, const char *p, size_t n)
{
	char *to = fl_arena_alloc(a, n ? n : 1);
	if (n)
		memcpy(to, p, n);
	return (struct fl_str){to, (uint32_t)n};
}

/* Slices. */
static inline struct fl_str fl_str(const char *s) { return (struct fl_str){s, (uint32_t)strlen(s)}; }
/* Whether two texts are the same n bytes. Most that are compared are short, and a call costs more than they do. */
static inline int fl_same(const char *a, const char *b, size_t n)
{
	uint64_t v, w, x, y;
	uint32_t s, t, u, z;
	if (n > 16)
		return memcmp(a, b, n) == 0;
	if (n >= 8) {
		memcpy(&v, a, 8), memcpy(&w, b, 8);
		memcpy(&x, a + n - 8, 8), memcpy(&y, b + n - 8, 8);
		return v == w && x == y;
	}
	if (n >= 4) {
		memcpy(&s, a, 4), memcpy(&t, b, 4);
		memcpy(&u, a + n - 4, 4), memcpy(&z, b + n - 4, 4);
		return s == t && u == z;
	}
	return !n || (a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1]);
}

static inline int fl_str_eq(struct fl_str a, struct fl_str b)
{
	return a.len == b.len && fl_same(a.p, b.p, a.len);
}

#endif
