/* Writes checkpoints on a thread of its own, so that a sync never stops a worker. Lanes hand snapshots in. */
#include "checkpoint.h"

#include <pthread.h>
#include <stdlib.h>

#include "../base/log.h"

struct fl_checkpointer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct fl_pending *first, **last;
	int stop;
	struct fl_streams *streams;
	char *who;
};

static struct fl_pending *next_of(struct fl_checkpointer *cp)
{
	pthread_mutex_lock(&cp->lock);
	while (!cp->first && !cp->stop)
		pthread_cond_wait(&cp->more, &cp->lock);
	struct fl_pending *p = cp->first;
	if (p) {
		cp->first = p->link;
		if (!cp->first)
			cp->last = &cp->first;
	}
	pthread_mutex_unlock(&cp->lock);
	return p;
}

static void *run(void *arg)
{
	struct fl_checkpointer *cp = arg;
	for (struct fl_pending *p; (p = next_of(cp));) {
		char err[FL_ERRLEN];
		/* The log first: a checkpoint ahead of it after a power cut would hold what never happened. */
		int ok = cp->streams->ops->sync(cp->streams, err) == 0 && fl_snapshot_write(p->snapshot, err) == 0;
		if (!ok)
			fl_log(FL_ERROR, cp->who, "a checkpoint of state was not written, and is tried again: %s", err);
		for (uint32_t k = 0; ok && k < p->trims; k++)
			cp->streams->ops->trim(cp->streams, p->trim[k].stream, p->partition, p->trim[k].next);
		struct fl_reader *wake = p->wake;
		pthread_mutex_lock(&cp->lock);
		atomic_store_explicit(&p->done, ok ? 1 : -1, memory_order_release);
		cp->streams->ops->wake(wake);
		pthread_mutex_unlock(&cp->lock);
	}
	return NULL;
}

struct fl_checkpointer *fl_checkpointer_start(struct fl_streams *streams, const char *who)
{
	struct fl_checkpointer *cp = fl_alloc(sizeof *cp);
	cp->streams = streams;
	cp->who = fl_strdup(who);
	cp->last = &cp->first;
	pthread_mutex_init(&cp->lock, NULL);
	pthread_cond_init(&cp->more, NULL);
	FL_ASSERT(pthread_create(&cp->thread, NULL, run, cp) == 0);
	return cp;
}

void fl_checkpointer_add(struct fl_checkpointer *cp, struct fl_pending *p)
{
	pthread_mutex_lock(&cp->lock);
	p->link = NULL;
	*cp->last = p;
	cp->last = &p->link;
	pthread_cond_signal(&cp->more);
	pthread_mutex_unlock(&cp->lock);
}

void fl_checkpointer_leave(struct fl_checkpointer *cp)
{
	if (!cp)
		return;
	pthread_mutex_lock(&cp->lock);
	pthread_mutex_unlock(&cp->lock);
}

void fl_checkpointer_stop(struct fl_checkpointer *cp)
{
	if (!cp)
		return;
	pthread_mutex_lock(&cp->lock);
	cp->stop = 1;
	pthread_cond_signal(&cp->more);
	pthread_mutex_unlock(&cp->lock);
	pthread_join(cp->thread, NULL);
	pthread_mutex_destroy(&cp->lock);
	pthread_cond_destroy(&cp->more);
	free(cp->who);
	free(cp);
}
