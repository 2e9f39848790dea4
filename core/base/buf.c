/* Growing buffers and arenas. Called by everybody that collects bytes, each on its own thread. */
#include "buf.h"

#include <stdio.h>
#include <stdlib.h>

void fl_buf_grow(struct fl_buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 256;
	while (cap - b->len < more)
		cap *= 2;
	b->p = fl_realloc(b->p, cap);
	b->cap = cap;
}

void fl_buf_vprintf(struct fl_buf *b, const char *fmt, va_list ap)
{
	for (;;) {
		va_list again;
		va_copy(again, ap);
		size_t room = b->cap - b->len;
		int n = vsnprintf(room ? b->p + b->len : NULL, room, fmt, again);
		va_end(again);
		if (n < 0)
			return;
		if ((size_t)n < room) {
			b->len += (size_t)n;
			return;
		}
		fl_buf_grow(b, (size_t)n + 1);
	}
}

void fl_buf_printf(struct fl_buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fl_buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void fl_buf_free(struct fl_buf *b)
{
	free(b->p);
	*b = (struct fl_buf){0};
}

#define BLOCK ((size_t)16 << 10)
#define KEEP ((size_t)1 << 20)

struct fl_arena_block {
	struct fl_arena_block *next;
	size_t size;
	_Alignas(16) char bytes[];
};

static void enter(struct fl_arena *a, struct fl_arena_block *b)
{
	a->at = b;
	a->p = b->bytes;
	a->end = b->bytes + b->size;
}

void *fl_arena_alloc(struct fl_arena *a, size_t n)
{
	n = (n + 7) & ~(size_t)7;
	while ((size_t)(a->end - a->p) < n) {
		struct fl_arena_block *next = a->at ? a->at->next : a->first;
		if (!next || next->size < n) {
			size_t size = n > BLOCK ? n : BLOCK;
			struct fl_arena_block *made = fl_realloc(NULL, sizeof *made + size);
			made->size = size;
			made->next = next;
			if (a->at)
				a->at->next = made;
			else
				a->first = made;
			next = made;
		}
		enter(a, next);
	}
	void *p = a->p;
	a->p += n;
	return p;
}

void fl_arena_reset(struct fl_arena *a)
{
	for (struct fl_arena_block **at = &a->first; *at;) {
		struct fl_arena_block *b = *at;
		if (b->size > KEEP) {
			*at = b->next;
			free(b);
		} else {
			at = &b->next;
		}
	}
	a->at = NULL;
	a->p = a->end = NULL;
	if (a->first)
		enter(a, a->first);
}

void fl_arena_free(struct fl_arena *a)
{
	while (a->first) {
		struct fl_arena_block *b = a->first;
		a->first = b->next;
		free(b);
	}
	*a = (struct fl_arena){0};
}
