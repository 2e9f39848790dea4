/* Reloads: the watch thread builds the new stage beside the running one and puts it into the mailbox of each thread that
 * runs it; that thread takes it between two commits. What was replaced, or could not be taken, goes back to the watch
 * thread, which closes it: a slow close() stops nobody. */
#ifndef FL_RUN_SWAP_H
#define FL_RUN_SWAP_H

#include <pthread.h>
#include <stdatomic.h>

#include "lane.h"

/* A stage to put in place of another; after the exchange it holds the old one. */
struct fl_swap {
	uint32_t stage;
	struct fl_script *script;      /* a script stage */
	struct fl_module *module;      /* a plugin stage */
	struct fl_instance **instance; /* [instances]: one a seat of the lane (NULL where the seat is of another line), or a sink's one */
	uint32_t instances;
	struct fl_line *line;          /* where it goes */
	struct fl_mailbox *box;
	double since;                  /* when the file was seen to change */
	struct fl_swap *link;
};

struct fl_mailbox {
	pthread_mutex_t lock;
	struct fl_swap *first;
	_Atomic int full;         /* looked at without the lock */
	struct fl_lane *lane;     /* NULL: a sink */
	struct fl_line **line;    /* the lines of this thread */
	uint32_t lines;
	struct fl_reader *reader; /* wakes the thread */
	struct fl_streams *streams;
	struct fl_instance **instance; /* where a sink keeps its one; NULL otherwise */
	void (*taken)(void *arg);      /* a sink: its instance is another one now */
	void *arg;
};

void fl_mailbox_init(struct fl_mailbox *box, struct fl_streams *streams, struct fl_reader *reader);
void fl_mailbox_put(struct fl_mailbox *box, struct fl_swap *sw);
/* On the thread of the mailbox, between two batches: takes all that is there. */
void fl_mailbox_take(struct fl_mailbox *box);
/* Its thread has ended: what nobody took is retired. */
void fl_mailbox_close(struct fl_mailbox *box);

/* Replaced stages that wait for the watch thread; safe from any thread. */
void fl_swap_retire(struct fl_swap *sw);
void fl_swap_close_retired(void);

#endif
