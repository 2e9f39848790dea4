/* The order in which a batch's records leave where stages emit events. Without emits it is that of the events, and the
 * records are written straight to their partitions. With them, later stages run on other batches than earlier ones
 * (line.c), and what they write would come in an order that depends on where batches begin and end. So the records are
 * held here until the batch is through, each with its place in the tree of events that come from one another: an
 * event's own records first, then those of the first event that came of it, with all that came of that, and so on. */
#ifndef FL_RUN_ORDER_H
#define FL_RUN_ORDER_H

#include "../base/buf.h"

struct fl_out_part;
struct fl_order {
	uint32_t *parent;  /* [n] of each place; FL_NO_PLACE: an event that was read */
	uint32_t n, cap;
	uint32_t first;    /* place of event 0 of the batch that is being worked on */
	uint32_t at;       /* of the event whose records come now */
	struct fl_held *held;
	uint32_t helds, held_cap;
	struct fl_buf bytes;
};
#define FL_NO_PLACE UINT32_MAX

/* n events were read: places 0 to n - 1. */
void fl_order_begin(struct fl_order *o, uint32_t n);
/* A place more, of an event that came of the one at parent. Those of one parent are made in their order. */
uint32_t fl_order_add(struct fl_order *o, uint32_t parent);
/* What stands in bytes from at on is a record for part (NULL: one that is printed). */
void fl_order_hold(struct fl_order *o, size_t at, struct fl_out_part *part);
/* All that is held, in order; then it is empty. */
void fl_order_release(struct fl_order *o, void (*put)(void *arg, struct fl_out_part *part, struct fl_str bytes), void *arg);
void fl_order_free(struct fl_order *o);

#endif
