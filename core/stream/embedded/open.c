/* Opening and closing the embedded streams of an app. Called by the daemon's main thread, and by the commands that read
 * or write beside it. */
#include <stdlib.h>
#include <unistd.h>

#include "../../base/log.h"
#include "embedded.h"

static void free_embedded(struct embedded *e)
{
	fl_emb_cache_free(e);
	for (uint32_t s = 0; s < atomic_load(&e->streams); s++) {
		free(e->stream[s]->part);
		free(e->stream[s]->name);
		free(e->stream[s]);
	}
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(e->sql[i]);
	sqlite3_close(e->keeper_db);
	sqlite3_close(e->db);
	if (e->wal_fd >= 0)
		close(e->wal_fd);
	fl_emb_unlock(e);
	free(e->queue);
	pthread_mutex_destroy(&e->db_lock);
	pthread_mutex_destroy(&e->queue_lock);
	pthread_mutex_destroy(&e->mem_lock);
	pthread_cond_destroy(&e->queued);
	pthread_cond_destroy(&e->room);
	pthread_cond_destroy(&e->keep);
	pthread_cond_destroy(&e->commits);
	free(e->dir);
	free(e->file);
	free(e->app);
	free(e);
}

/* After this a change of the boot id means nothing, so a reboot after a clean stop leaves no gap in the offsets. A
 * sender may do it only when no daemon runs, which would have to put the marks ahead again. */
static void lower_marks(struct embedded *e)
{
	char err[FL_ERRLEN];
	if (e->lock_fd < 0 && fl_emb_lock(e, err) != 0)
		return;
	pthread_mutex_lock(&e->db_lock);
	/* Where it fails the marks stay as they are, which is safe. */
	if (fl_emb_marks_lower(e, err) != 0)
		fl_log(FL_WARN, e->app, "%s", err);
	pthread_mutex_unlock(&e->db_lock);
}

static void stop_keeper(struct embedded *e)
{
	if (e->mode == FL_STREAMS_READ)
		return;
	pthread_mutex_lock(&e->queue_lock);
	e->keeper_stop = 1;
	pthread_cond_broadcast(&e->keep);
	pthread_mutex_unlock(&e->queue_lock);
	pthread_join(e->keeper, NULL);
}

static void close_streams(struct fl_streams *s)
{
	struct embedded *e = (struct embedded *)s;
	FL_ASSERT(atomic_load(&e->readers) == 0);
	pthread_mutex_lock(&e->queue_lock);
	e->stop = 1;
	pthread_cond_broadcast(&e->queued);
	pthread_mutex_unlock(&e->queue_lock);
	pthread_join(e->committer, NULL);
	stop_keeper(e);
	if (e->mode != FL_STREAMS_READ)
		lower_marks(e);
	free_embedded(e);
}

static const struct fl_streams_ops ops = {
	.close = close_streams,
	.declare = fl_emb_declare,
	.partitions = fl_emb_partitions,
	.bounds = fl_emb_bounds,
	.end = fl_emb_end,
	.position = fl_emb_position,
	.commit = fl_emb_commit,
	.sync = fl_emb_sync,
	.trim = fl_emb_trim,
	.list = fl_emb_list,
	.reader = fl_emb_reader,
	.reader_close = fl_emb_reader_close,
	.read = fl_emb_read,
	.wait = fl_emb_wait,
	.wake = fl_emb_wake,
};

static void init_locks(struct embedded *e)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&e->db_lock, NULL);
	pthread_mutex_init(&e->queue_lock, NULL);
	pthread_mutex_init(&e->mem_lock, NULL);
	pthread_cond_init(&e->queued, &attr);
	pthread_cond_init(&e->room, &attr);
	pthread_cond_init(&e->keep, &attr);
	pthread_cond_init(&e->commits, &attr);
	pthread_condattr_destroy(&attr);
}

static int start_keeper(struct embedded *e, char *err)
{
	static int busy_ms = 50; /* it comes again anyway */
	if (e->mode == FL_STREAMS_READ)
		return 0;
	sqlite3_wal_hook(e->db, fl_emb_wal_hook, e);
	e->keeper_db = fl_emb_connect(e, SQLITE_OPEN_READWRITE, &busy_ms, err);
	if (!e->keeper_db || fl_emb_exec(e, e->keeper_db, "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;"
	                                                  "PRAGMA cache_size = -256", err) != 0)
		return -1;
	int rc = pthread_create(&e->keeper, NULL, fl_emb_keeper, e);
	return rc == 0 ? 0 : fl_err(err, "%s: no thread can be started: %s", e->file, strerror(rc));
}

struct fl_streams *fl_embedded_open(const struct fl_streams_conf *conf, char *err)
{
	struct embedded *e = fl_alloc(sizeof *e);
	FL_ASSERT(conf->dir && *conf->dir && conf->app);
	e->base.ops = &ops;
	e->dir = fl_strdup(conf->dir);
	e->file = fl_printf("%s/streams.db", conf->dir);
	e->app = fl_strdup(conf->app);
	e->mode = conf->mode;
	e->power = conf->power;
	e->wal_limit = conf->wal > 0 ? conf->wal : (int64_t)64 << 20;
	e->cache_limit = conf->cache > 0 ? conf->cache : (int64_t)32 << 20;
	e->checkpoint_at = e->wal_limit / 4;
	e->hold_at = e->wal_limit;
	e->lock_fd = e->wal_fd = -1;
	init_locks(e);
	if (fl_emb_file_open(e, err) != 0 || start_keeper(e, err) != 0) {
		free_embedded(e);
		return NULL;
	}
	int rc = pthread_create(&e->committer, NULL, fl_emb_committer, e);
	if (rc != 0) {
		fl_err(err, "%s: no thread can be started: %s", e->file, strerror(rc));
		stop_keeper(e);
		free_embedded(e);
		return NULL;
	}
	return &e->base;
}
