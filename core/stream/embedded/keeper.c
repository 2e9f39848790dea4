/* The keeper: one thread that syncs marks in the background and checkpoints the WAL on a connection of its own, so
 * that the committer seldom waits for the disk.
 *
 * A PASSIVE checkpoint runs beside the committer and copies what it can; while commits keep coming it never gets to
 * the end, and the WAL grows. So from half the limit on it is followed by a RESTART with db_lock held, which has
 * little left to copy; and past the limit commits wait. Should another process hold a read transaction open (a sqlite3
 * shell), the WAL cannot be restarted: then it is let grow by steps rather than stop everything for a shell. */
#include <time.h>

#include "../../base/log.h"
#include "embedded.h"

/* On the committer's thread, or whoever commits on e->db, after each commit. */
int fl_emb_wal_hook(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct embedded *e = arg;
	(void)db;
	(void)name;
	int64_t bytes = pages * (e->page + 24);
	pthread_mutex_lock(&e->queue_lock);
	if (bytes < e->wal_bytes) {
		e->checkpoint_at = e->wal_limit / 4;
		e->hold_at = e->wal_limit;
	}
	e->wal_bytes = bytes;
	if (bytes >= e->checkpoint_at)
		pthread_cond_signal(&e->keep);
	pthread_mutex_unlock(&e->queue_lock);
	return SQLITE_OK;
}

void fl_emb_wal_hold(struct embedded *e)
{
	pthread_mutex_lock(&e->queue_lock);
	while (e->wal_bytes >= e->hold_at && !e->keeper_stop)
		pthread_cond_wait(&e->room, &e->queue_lock);
	pthread_mutex_unlock(&e->queue_lock);
}

void fl_emb_sync_soon(struct embedded *e)
{
	pthread_mutex_lock(&e->queue_lock);
	e->sync_wanted = 1;
	pthread_cond_signal(&e->keep);
	pthread_mutex_unlock(&e->queue_lock);
}

static int sync_database(struct embedded *e)
{
	sqlite3_file *f = NULL;
	if (sqlite3_file_control(e->keeper_db, "main", SQLITE_FCNTL_FILE_POINTER, &f) != SQLITE_OK || !f || !f->pMethods)
		return SQLITE_OK;
	return f->pMethods->xSync(f, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
}

/* What is left to copy is what was committed during the PASSIVE one. Another process with an open read transaction is
 * no failure: the next try comes when the WAL has grown by another quarter. */
static int restart(struct embedded *e, int64_t size)
{
	fl_emb_enter(e);
	int rc = sqlite3_wal_checkpoint_v2(e->keeper_db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
	pthread_mutex_lock(&e->queue_lock);
	if (rc == SQLITE_OK) {
		e->wal_bytes = 0;
		e->checkpoint_at = e->wal_limit / 4;
		e->hold_at = e->wal_limit;
	} else if (rc == SQLITE_BUSY) {
		e->checkpoint_at = size + e->wal_limit / 4;
		e->hold_at = size + e->wal_limit;
	}
	pthread_cond_broadcast(&e->room);
	pthread_mutex_unlock(&e->queue_lock);
	fl_emb_leave(e);
	if (rc == SQLITE_BUSY && size > e->wal_limit)
		fl_log(FL_WARN, e->app, "%s-wal has %lld MiB and grows: another process holds a read transaction open; end it",
		       e->file, (long long)(size >> 20));
	return rc == SQLITE_BUSY ? SQLITE_OK : rc;
}

#define ROUNDS 4

/* PASSIVE ones until what was committed meanwhile is little, for that is what everybody waits for during the RESTART. */
static int passive(struct embedded *e, int64_t *size)
{
	for (int round = 1;; round++) {
		int all = 0, done = 0;
		int rc = sqlite3_wal_checkpoint_v2(e->keeper_db, NULL, SQLITE_CHECKPOINT_PASSIVE, &all, &done);
		/* SQLite syncs the database only when all was copied; here already, so that the RESTART has little left to sync. */
		if (rc == SQLITE_OK && done < all)
			rc = sync_database(e);
		pthread_mutex_lock(&e->queue_lock);
		*size = e->wal_bytes;
		if (rc == SQLITE_OK && *size <= e->wal_limit / 2)
			e->checkpoint_at = *size + e->wal_limit / 4;
		pthread_mutex_unlock(&e->queue_lock);
		int64_t left = *size - done * (e->page + 24);
		if (rc != SQLITE_OK || *size <= e->wal_limit / 2 || left <= e->wal_limit / 16 || round == ROUNDS)
			return rc;
	}
}

/* Seconds to pause before the next try; 0 when it went well. */
static double checkpoint(struct embedded *e)
{
	char err[FL_ERRLEN];
	int64_t size;
	int rc = passive(e, &size);
	if (rc == SQLITE_OK && size > e->wal_limit / 2)
		rc = restart(e, size);
	if (rc == SQLITE_OK)
		return 0;
	if (rc == SQLITE_BUSY) /* a sender's keeper is at it */
		return 0.05;
	fl_emb_error(e, e->keeper_db, "moving the log into it", err);
	fl_log(FL_ERROR, e->app, "nothing is lost, and it is tried again: %s", err);
	return 1;
}

static void sleep_for(struct embedded *e, double seconds)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(seconds * 1e9);
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&e->keep, &e->queue_lock, &until);
}

void *fl_emb_keeper(void *arg)
{
	struct embedded *e = arg;
	char err[FL_ERRLEN];
	pthread_mutex_lock(&e->queue_lock);
	while (!e->keeper_stop) {
		int sync = e->sync_wanted, full = e->wal_bytes >= e->checkpoint_at;
		e->sync_wanted = 0;
		if (!sync && !full) {
			pthread_cond_wait(&e->keep, &e->queue_lock);
			continue;
		}
		pthread_mutex_unlock(&e->queue_lock);
		/* A sync that fails: the marks stay unsafe, and the commit that needs them meets the error itself. */
		if (sync && fl_emb_sync_wal(e, err) != 0)
			fl_log(FL_ERROR, e->app, "%s", err);
		double pause = full ? checkpoint(e) : 0;
		pthread_mutex_lock(&e->queue_lock);
		if (pause > 0 && !e->keeper_stop)
			sleep_for(e, pause);
	}
	pthread_mutex_unlock(&e->queue_lock);
	return NULL;
}
