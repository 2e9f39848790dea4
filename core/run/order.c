/* Holds a batch's records until they can be put in order. Called by line.c and output.c on the line's thread. */
#include "order.h"

#include <stdlib.h>

struct fl_held {
	uint32_t place, seq;
	size_t at, len;
	struct fl_out_part *part;
};

void fl_order_begin(struct fl_order *o, uint32_t n)
{
	o->n = o->first = o->at = o->helds = 0;
	o->bytes.len = 0;
	while (n--)
		fl_order_add(o, FL_NO_PLACE);
}

uint32_t fl_order_add(struct fl_order *o, uint32_t parent)
{
	if (o->n == o->cap) {
		o->cap = o->cap ? o->cap * 2 : 1024;
		o->parent = fl_realloc(o->parent, o->cap * sizeof *o->parent);
	}
	o->parent[o->n] = parent;
	return o->n++;
}

void fl_order_hold(struct fl_order *o, size_t at, struct fl_out_part *part)
{
	if (o->helds == o->held_cap) {
		o->held_cap = o->held_cap ? o->held_cap * 2 : 256;
		o->held = fl_realloc(o->held, o->held_cap * sizeof *o->held);
	}
	o->held[o->helds] = (struct fl_held){o->at, o->helds, at, o->bytes.len - at, part};
	o->helds++;
}

/* Each place's number when the tree is walked from its roots down. A parent's place is below its children's. */
static uint32_t *number(const struct fl_order *o)
{
	uint32_t *rank = fl_alloc((o->n + 1) * sizeof *rank), *next = fl_alloc((o->n + 1) * sizeof *next), root = 0;
	for (uint32_t k = o->n; k-- > 0;) {
		next[k]++; /* so far: how many places there are from this one down */
		if (o->parent[k] != FL_NO_PLACE)
			next[o->parent[k]] += next[k];
	}
	for (uint32_t k = 0; k < o->n; k++) {
		uint32_t *from = o->parent[k] == FL_NO_PLACE ? &root : &next[o->parent[k]], size = next[k];
		rank[k] = *from;
		*from += size;
		next[k] = rank[k] + 1;
	}
	free(next);
	return rank;
}

static int by_place(const void *a, const void *b)
{
	const struct fl_held *x = a, *y = b;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

void fl_order_release(struct fl_order *o, void (*put)(void *arg, struct fl_out_part *part, struct fl_str bytes), void *arg)
{
	uint32_t *rank = number(o);
	for (uint32_t k = 0; k < o->helds; k++)
		o->held[k].place = rank[o->held[k].place];
	free(rank);
	if (o->helds)
		qsort(o->held, o->helds, sizeof *o->held, by_place);
	for (uint32_t k = 0; k < o->helds; k++)
		put(arg, o->held[k].part, (struct fl_str){o->bytes.p + o->held[k].at, (uint32_t)o->held[k].len});
	o->helds = 0;
	o->bytes.len = 0;
}

void fl_order_free(struct fl_order *o)
{
	free(o->parent);
	free(o->held);
	fl_buf_free(&o->bytes);
}
