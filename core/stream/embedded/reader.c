/* Readers: committed segments from the cache, or from the file by a read-only connection of the reader's own, with a
 * transaction that lasts for one query, so that the WAL can be restarted. One thread a reader; wake() from any. */
#include <stdlib.h>
#include <time.h>

#include "embedded.h"

#define GATHER ((int64_t)64 << 10) /* small neighbouring rows become one segment of about this size */

struct fl_reader {
	struct embedded *e;
	sqlite3 *db;
	sqlite3_stmt *query;
	int busy_ms;
	uint64_t seen;
	int woken;
};

struct fl_reader *fl_emb_reader(struct fl_streams *s, char *err)
{
	(void)err; /* what can fail is done at the first read */
	struct fl_reader *r = fl_alloc(sizeof *r);
	r->e = (struct embedded *)s;
	r->busy_ms = 2000;
	atomic_fetch_add(&r->e->readers, 1);
	return r;
}

void fl_emb_reader_close(struct fl_reader *r)
{
	if (!r)
		return;
	sqlite3_finalize(r->query);
	sqlite3_close(r->db);
	atomic_fetch_sub(&r->e->readers, 1);
	free(r);
}

static int open_query(struct fl_reader *r, char *err)
{
	/* From the row that begins at or before the offset. */
	static const char text[] =
		"SELECT id, n, time, length(bytes), bytes FROM batch WHERE id >= ifnull((SELECT id FROM batch WHERE id >= ?1 AND"
		" id <= ?2 ORDER BY id DESC LIMIT 1), ?2) AND id < ?3 ORDER BY id";
	if (!r->db && !(r->db = fl_emb_connect(r->e, SQLITE_OPEN_READONLY, &r->busy_ms, err)))
		return -1;
	if (!r->query && (fl_emb_exec(r->e, r->db, "PRAGMA cache_size = -256", err) != 0 ||
	                  sqlite3_prepare_v3(r->db, text, -1, SQLITE_PREPARE_PERSISTENT, &r->query, NULL) != SQLITE_OK))
		return fl_emb_error(r->e, r->db, "reading it", err);
	return 0;
}

static int damaged(struct fl_reader *r, uint32_t stream, uint32_t partition, int64_t base, char *err)
{
	return fl_err(err, "%s: stream \"%s\", partition %u: the records from offset %lld on are damaged; put a copy of the"
	              " file in its place, or go on behind them with a later position", r->e->file,
	              r->e->stream[stream]->name, partition, (long long)base);
}

/* What is in a row has to be what the row says, or offsets would slip. */
static int is_whole(const struct fl_segment *seg)
{
	struct fl_record rec;
	size_t at = 0;
	uint32_t n = 0;
	int rc;
	while ((rc = fl_segment_next(seg, &at, &rec)) == 1)
		n++;
	return rc == 0 && n == seg->n;
}

/* Steps over the query's rows, and puts the first that ends past from, and small ones right behind it, into b. */
static int gather(struct fl_reader *r, int64_t from, struct fl_buf *b, int64_t *base, int64_t *n, double *time)
{
	const int64_t mask = ((int64_t)1 << FL_EMB_SHIFT) - 1;
	int rc;
	while ((rc = sqlite3_step(r->query)) == SQLITE_ROW) {
		int64_t first = sqlite3_column_int64(r->query, 0) & mask, count = sqlite3_column_int64(r->query, 1);
		int64_t size = sqlite3_column_int64(r->query, 3);
		if (b->len == 0) {
			if (first + count <= from)
				continue;
			*base = first;
			*time = sqlite3_column_double(r->query, 2);
		} else if (first != *base + *n || (int64_t)b->len + size > GATHER) {
			return SQLITE_OK;
		}
		const void *bytes = sqlite3_column_blob(r->query, 4);
		if (!bytes || count <= 0)
			return b->len ? SQLITE_OK : SQLITE_ROW;
		fl_buf_add(b, bytes, (size_t)sqlite3_column_bytes(r->query, 4));
		*n += count;
		if ((int64_t)b->len >= GATHER)
			return SQLITE_OK;
	}
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int read_file(struct fl_reader *r, uint32_t stream, uint32_t partition, int64_t from, struct fl_segment **out,
                     char *err)
{
	struct part *p = fl_emb_part(r->e, stream, partition);
	struct fl_buf b = {0};
	int64_t base = 0, n = 0;
	double time = 0;
	if (open_query(r, err) != 0)
		return -1;
	sqlite3_bind_int64(r->query, 1, p->id << FL_EMB_SHIFT);
	sqlite3_bind_int64(r->query, 2, p->id << FL_EMB_SHIFT | from);
	sqlite3_bind_int64(r->query, 3, (p->id + 1) << FL_EMB_SHIFT);
	int rc = gather(r, from, &b, &base, &n, &time);
	if (rc != SQLITE_OK && rc != SQLITE_ROW)
		fl_emb_error(r->e, r->db, "reading it", err);
	sqlite3_reset(r->query);
	if (rc != SQLITE_OK || b.len == 0) {
		fl_buf_free(&b);
		return rc == SQLITE_OK ? 0 : rc == SQLITE_ROW ? damaged(r, stream, partition, base, err) : -1;
	}
	struct fl_segment *seg = fl_segment_take(&b, (uint32_t)n);
	seg->base = base;
	seg->time = time;
	if (!is_whole(seg)) {
		fl_segment_unref(seg);
		return damaged(r, stream, partition, base, err);
	}
	*out = seg;
	return 1;
}

int fl_emb_read(struct fl_reader *r, uint32_t stream, uint32_t partition, int64_t from, struct fl_segment **out,
                char *err)
{
	struct part *p = fl_emb_part(r->e, stream, partition);
	FL_ASSERT(from >= 0 && from < (int64_t)1 << FL_EMB_SHIFT);
	if (from >= atomic_load_explicit(&p->last, memory_order_acquire))
		return 0;
	int64_t first = atomic_load(&p->first);
	if (from < first)
		from = first;
	*out = fl_emb_cache_find(r->e, p, from);
	return *out ? 1 : read_file(r, stream, partition, from, out, err);
}

void fl_emb_wait(struct fl_reader *r, double seconds)
{
	struct embedded *e = r->e;
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + (int64_t)((seconds < 0 ? 0 : seconds > 1e6 ? 1e6 : seconds) * 1e9);
	until.tv_sec += ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_mutex_lock(&e->mem_lock);
	e->waiting++;
	while (e->seq == r->seen && !r->woken)
		if (pthread_cond_timedwait(&e->commits, &e->mem_lock, &until) != 0)
			break;
	e->waiting--;
	r->seen = e->seq;
	r->woken = 0;
	pthread_mutex_unlock(&e->mem_lock);
}

void fl_emb_wake(struct fl_reader *r)
{
	pthread_mutex_lock(&r->e->mem_lock);
	r->woken = 1;
	pthread_cond_broadcast(&r->e->commits);
	pthread_mutex_unlock(&r->e->mem_lock);
}

void fl_emb_announce(struct embedded *e)
{
	pthread_mutex_lock(&e->mem_lock);
	e->seq++;
	if (e->waiting)
		pthread_cond_broadcast(&e->commits);
	pthread_mutex_unlock(&e->mem_lock);
}
