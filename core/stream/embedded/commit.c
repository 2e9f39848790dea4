/* The committer: one thread takes the steps that workers handed in, writes many of them in one SQLite transaction, and
 * only then shows them to readers and says done. When nothing is handed in, it looks for what other processes
 * committed, and lets old rows go.
 *
 * A step never fails: whatever SQLite answers (a full disk above all), the transaction is rolled back, the trouble is
 * logged now and then, and the same transaction is tried again until it goes through. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../../base/clock.h"
#include "../../base/log.h"
#include "embedded.h"

#define PENDING_MAX ((size_t)64 << 20)
#define SEGMENT_MAX ((size_t)512 << 20) /* SQLite takes 10^9 bytes a row */
#define MERGE_BYTES ((size_t)8 << 20)
#define MERGE_TXNS 256
#define IDLE 0.025 /* seconds between two looks for commits of other processes */

struct merge {
	struct fl_txn *txn[MERGE_TXNS];
	uint32_t txns;
	size_t bytes;
	struct part **part; /* that its appends go to, each once */
	uint32_t parts, cap;
	double time;
	double complain_at; /* 0: all is well */
};

static void check(struct embedded *e, const struct fl_txn *txn)
{
	FL_ASSERT(e->mode != FL_STREAMS_READ);
	FL_ASSERT(atomic_load(&txn->done) == 0);
	for (uint32_t i = 0; i < txn->appends; i++) {
		const struct fl_append *a = &txn->append[i];
		fl_emb_part(e, a->stream, a->partition);
		FL_ASSERT(a->segment && a->segment->n > 0 && a->segment->base == -1);
		FL_ASSERT(a->segment->size <= SEGMENT_MAX);
	}
	for (uint32_t i = 0; i < txn->positions; i++) {
		const struct fl_reader_position *p = &txn->position[i];
		fl_emb_part(e, p->stream, p->partition);
		FL_ASSERT(p->reader && *p->reader && p->next >= 0);
	}
}

void fl_emb_commit(struct fl_streams *s, struct fl_txn *txn)
{
	struct embedded *e = (struct embedded *)s;
	check(e, txn);
	pthread_mutex_lock(&e->queue_lock);
	FL_ASSERT(!e->stop);
	while (e->pending > PENDING_MAX)
		pthread_cond_wait(&e->room, &e->queue_lock);
	if (e->queue_n == e->queue_cap) {
		uint32_t cap = e->queue_cap ? e->queue_cap * 2 : 64;
		struct fl_txn **queue = fl_alloc(cap * sizeof(struct fl_txn *));
		for (uint32_t i = 0; i < e->queue_n; i++)
			queue[i] = e->queue[(e->queue_head + i) % e->queue_cap];
		free(e->queue);
		e->queue = queue;
		e->queue_cap = cap;
		e->queue_head = 0;
	}
	e->queue[(e->queue_head + e->queue_n++) % e->queue_cap] = txn;
	e->pending += txn->bytes;
	pthread_cond_signal(&e->queued);
	pthread_mutex_unlock(&e->queue_lock);
}

/* 0: the end. Without steps after the time is over. */
static int take(struct embedded *e, struct merge *m, double wait)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(wait * 1e9);
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	m->txns = m->parts = 0;
	m->bytes = 0;
	pthread_mutex_lock(&e->queue_lock);
	while (wait > 0 && !e->queue_n && !e->stop)
		if (pthread_cond_timedwait(&e->queued, &e->queue_lock, &until) != 0)
			break;
	while (e->queue_n && m->txns < MERGE_TXNS && m->bytes < MERGE_BYTES) {
		m->txn[m->txns++] = e->queue[e->queue_head];
		m->bytes += e->queue[e->queue_head]->bytes;
		e->queue_head = (e->queue_head + 1) % e->queue_cap;
		e->queue_n--;
	}
	int on = m->txns || !e->stop;
	pthread_mutex_unlock(&e->queue_lock);
	return on;
}

static void find_parts(struct embedded *e, struct merge *m)
{
	e->merges++;
	for (uint32_t t = 0; t < m->txns; t++)
		for (uint32_t i = 0; i < m->txn[t]->appends; i++) {
			struct part *p = fl_emb_part(e, m->txn[t]->append[i].stream, m->txn[t]->append[i].partition);
			if (p->merge == e->merges)
				continue;
			p->merge = e->merges;
			if (m->parts == m->cap) {
				m->cap = m->cap ? m->cap * 2 : 64;
				m->part = fl_realloc(m->part, m->cap * sizeof(struct part *));
			}
			m->part[m->parts++] = p;
		}
}

static void rewind_parts(struct merge *m)
{
	for (uint32_t i = 0; i < m->parts; i++) {
		m->part[i]->at = m->part[i]->end;
		m->part[i]->at_total = m->part[i]->total;
	}
}

/* Where each partition will end: its at. */
static void look_ahead(struct embedded *e, struct merge *m)
{
	rewind_parts(m);
	for (uint32_t t = 0; t < m->txns; t++)
		for (uint32_t i = 0; i < m->txn[t]->appends; i++) {
			const struct fl_append *a = &m->txn[t]->append[i];
			fl_emb_part(e, a->stream, a->partition)->at += a->segment->n;
		}
}

/* Opens the transaction, with offsets for all of it below marks that are synced. */
static int begin(struct embedded *e, struct merge *m, char *err)
{
	for (;;) {
		if (!fl_emb_prepare(e, SQL_BEGIN, err) || fl_emb_run(e, SQL_BEGIN, err) != 0 || fl_emb_refresh(e, err) != 0)
			return -1;
		look_ahead(e, m);
		if (fl_emb_marks_cover(e, m->part, m->parts))
			return 0;
		fl_emb_rollback(e);
		if (fl_emb_marks_ahead(e, err) != 0)
			return -1;
	}
}

static int write_segment(struct embedded *e, struct part *p, const struct fl_segment *seg, double time, char *err)
{
	sqlite3_stmt *st = fl_emb_prepare(e, SQL_APPEND, err);
	if (!st)
		return -1;
	p->at_total += (int64_t)seg->size;
	sqlite3_bind_int64(st, 1, p->id << FL_EMB_SHIFT | p->at);
	sqlite3_bind_int64(st, 2, seg->n);
	sqlite3_bind_double(st, 3, time);
	sqlite3_bind_int64(st, 4, p->at_total);
	sqlite3_bind_blob64(st, 5, seg->bytes, seg->size, SQLITE_STATIC);
	p->at += seg->n;
	return fl_emb_run(e, SQL_APPEND, err);
}

static int write_position(struct embedded *e, const struct fl_reader_position *pos, char *err)
{
	sqlite3_stmt *st = fl_emb_prepare(e, SQL_POSITION_SET, err);
	if (!st)
		return -1;
	sqlite3_bind_text(st, 1, pos->reader, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, fl_emb_part(e, pos->stream, pos->partition)->id);
	sqlite3_bind_int64(st, 3, pos->next);
	return fl_emb_run(e, SQL_POSITION_SET, err);
}

static int write_rows(struct embedded *e, struct merge *m, char *err)
{
	rewind_parts(m);
	for (uint32_t t = 0; t < m->txns; t++) {
		const struct fl_txn *txn = m->txn[t];
		for (uint32_t i = 0; i < txn->appends; i++) {
			const struct fl_append *a = &txn->append[i];
			if (write_segment(e, fl_emb_part(e, a->stream, a->partition), a->segment, m->time, err) != 0)
				return -1;
		}
		for (uint32_t i = 0; i < txn->positions; i++)
			if (write_position(e, &txn->position[i], err) != 0)
				return -1;
	}
	return 0;
}

/* What was committed becomes what readers see: db_lock is held, so nothing else changes the partitions. */
static void show(struct embedded *e, struct merge *m)
{
	rewind_parts(m);
	pthread_mutex_lock(&e->mem_lock);
	for (uint32_t t = 0; t < m->txns; t++)
		for (uint32_t i = 0; i < m->txn[t]->appends; i++) {
			struct fl_segment *seg = m->txn[t]->append[i].segment;
			struct part *p = fl_emb_part(e, m->txn[t]->append[i].stream, m->txn[t]->append[i].partition);
			FL_ASSERT(seg->base == -1);
			seg->base = p->at;
			seg->time = m->time;
			if (atomic_load(&p->last) == 0) {
				p->first_end = p->at + seg->n;
				p->first_time = m->time;
				p->first_before = p->at_total;
			}
			p->at += seg->n;
			p->at_total += (int64_t)seg->size;
			fl_emb_cache_add(e, p, seg);
			atomic_store_explicit(&p->last, p->at, memory_order_release);
		}
	for (uint32_t i = 0; i < m->parts; i++) {
		m->part[i]->end = m->part[i]->at;
		m->part[i]->total = m->part[i]->at_total;
	}
	pthread_mutex_unlock(&e->mem_lock);
}

static int write_merge(struct embedded *e, struct merge *m, char *err)
{
	int moved = -1;
	/* Set this late because making the streams of a new app needs no sync each. */
	if (e->power && !e->full_sync && fl_emb_exec(e, e->db, "PRAGMA synchronous = FULL", err) != 0)
		return -1;
	e->full_sync = e->power;
	m->time = fl_now();
	if (begin(e, m, err) == 0 && (moved = fl_emb_marks_move(e, m->part, m->parts, err)) >= 0 &&
	    write_rows(e, m, err) == 0 && fl_emb_prepare(e, SQL_COMMIT, err) && fl_emb_run(e, SQL_COMMIT, err) == 0) {
		if (moved)
			fl_emb_marks_moved(e, m->part, m->parts);
		show(e, m);
		if (moved)
			fl_emb_sync_soon(e);
		return 0;
	}
	fl_emb_rollback(e);
	return -1;
}

static void complain(struct embedded *e, struct merge *m, const char *err)
{
	double now = fl_monotonic();
	if (now < m->complain_at)
		return;
	m->complain_at = now + 10;
	fl_log(FL_ERROR, e->app, "commits wait, and nothing is lost: %s", err);
}

/* Lets those in who wait for db_lock; see fl_emb_enter. */
static void lock_db(struct embedded *e)
{
	for (int i = 0; i < 20 && atomic_load(&e->db_wanted); i++)
		usleep(50);
	pthread_mutex_lock(&e->db_lock);
}

static void write_until_in(struct embedded *e, struct merge *m)
{
	char err[FL_ERRLEN];
	find_parts(e, m);
	for (;;) {
		fl_emb_wal_hold(e);
		lock_db(e);
		int rc = write_merge(e, m, err);
		if (rc != 0)
			fl_emb_retain(e); /* may make the room that is missing */
		pthread_mutex_unlock(&e->db_lock);
		if (rc == 0)
			break;
		complain(e, m, err);
		usleep(200000);
	}
	if (m->complain_at > 0)
		fl_log(FL_INFO, e->app, "commits go on");
	m->complain_at = 0;
}

static void say_done(struct embedded *e, struct merge *m)
{
	/* Its owner may free a step as soon as done is set, and then itself be gone: nothing of either is touched after it. */
	for (uint32_t t = 0; t < m->txns; t++)
		atomic_store_explicit(&m->txn[t]->done, 1, memory_order_release);
	fl_emb_announce(e);
	pthread_mutex_lock(&e->queue_lock);
	e->pending -= m->bytes;
	pthread_cond_broadcast(&e->room);
	pthread_mutex_unlock(&e->queue_lock);
}

/* Nothing to write: what did others write? And the marks are put ahead before the first commit needs them. */
static void look_around(struct embedded *e)
{
	char err[FL_ERRLEN];
	lock_db(e);
	/* An error here shows again where it matters: at the next commit or read. */
	if (fl_emb_refresh(e, err) == 0 && e->mode == FL_STREAMS_DAEMON && !e->power && !fl_emb_marks_ready(e))
		fl_emb_marks_ahead(e, err);
	pthread_mutex_unlock(&e->db_lock);
	fl_emb_cache_expire(e, fl_now());
}

void *fl_emb_committer(void *arg)
{
	struct embedded *e = arg;
	struct merge m = {0};
	int more = 0;
	while (take(e, &m, more ? 0 : IDLE)) {
		if (m.txns) {
			write_until_in(e, &m);
			say_done(e, &m);
		} else {
			look_around(e);
		}
		lock_db(e);
		more = fl_emb_retain(e);
		pthread_mutex_unlock(&e->db_lock);
	}
	free(m.part);
	return NULL;
}
