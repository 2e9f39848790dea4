/* Retention: rows whose time is over go, whole segments, a bounded number a step, so that no commit waits long for it.
 * Called by the committer with db_lock held. Readers' positions do not hold rows back, as in Kafka; changelogs go only
 * as far as they were trimmed. */
#include "../../base/clock.h"
#include "../../base/log.h"
#include "embedded.h"

#define EVERY 2.0 /* seconds */
#define ROWS 64
#define BYTES ((int64_t)8 << 20)

struct limit {
	int64_t below;  /* records before it may go */
	double before;  /* rows of an earlier time may go */
	int64_t excess; /* so many bytes are to go */
};

static int64_t kept_bytes(const struct stream *s)
{
	int64_t bytes = 0;
	for (uint32_t i = 0; i < s->partitions; i++)
		if (atomic_load(&s->part[i].last))
			bytes += s->part[i].total - s->part[i].first_before;
	return bytes;
}

/* The partition whose first row may go, NULL where none may. Costs no query. */
static struct part *find_due(const struct stream *s, double now, struct limit *l)
{
	struct part *oldest = NULL;
	*l = (struct limit){.below = 0, .before = s->keep_age > 0 ? now - s->keep_age : -1, .excess = 0};
	if (s->changelog)
		l->before = -1;
	else if (s->keep_bytes > 0)
		l->excess = kept_bytes(s) - s->keep_bytes;
	for (uint32_t i = 0; i < s->partitions; i++) {
		struct part *p = &s->part[i];
		if (!atomic_load(&p->last))
			continue;
		if (s->changelog && p->first_end <= atomic_load(&p->trim)) {
			l->below = atomic_load(&p->trim);
			return p;
		}
		if (!s->changelog && (!oldest || p->first_time < oldest->first_time))
			oldest = p;
	}
	return oldest && (l->excess > 0 || oldest->first_time < l->before) ? oldest : NULL;
}

/* The rows from the first on that may go, at most a step's worth: the id behind them; 0: none. */
static int64_t find_end(struct embedded *e, struct part *p, const struct limit *l, char *err)
{
	const int64_t mask = ((int64_t)1 << FL_EMB_SHIFT) - 1;
	int64_t end = 0, bytes = 0;
	sqlite3_stmt *st = fl_emb_prepare(e, SQL_FIRST, err);
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, p->id << FL_EMB_SHIFT);
	sqlite3_bind_int64(st, 2, (p->id + 1) << FL_EMB_SHIFT);
	sqlite3_bind_int(st, 3, ROWS);
	while (bytes < BYTES && sqlite3_step(st) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(st, 0), n = sqlite3_column_int64(st, 1);
		if (!((id & mask) + n <= l->below || sqlite3_column_double(st, 2) < l->before || bytes < l->excess))
			break;
		end = id + n;
		bytes += sqlite3_column_int64(st, 4);
	}
	sqlite3_reset(st);
	return end;
}

static int delete_rows(struct embedded *e, struct part *p, const struct limit *l, int64_t *first, char *err)
{
	if (!fl_emb_prepare(e, SQL_BEGIN, err) || fl_emb_run(e, SQL_BEGIN, err) != 0 || fl_emb_refresh(e, err) != 0)
		return -1;
	int64_t end = find_end(e, p, l, err);
	if (end <= 0)
		return -1;
	sqlite3_stmt *st = fl_emb_prepare(e, SQL_DELETE, err);
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, p->id << FL_EMB_SHIFT);
	sqlite3_bind_int64(st, 2, end);
	if (fl_emb_run(e, SQL_DELETE, err) != 0)
		return -1;
	*first = end & (((int64_t)1 << FL_EMB_SHIFT) - 1);
	if (!(st = fl_emb_prepare(e, SQL_FLOOR, err)))
		return -1;
	sqlite3_bind_int64(st, 1, *first);
	/* With its last row a partition would forget where it ended. */
	sqlite3_bind_int64(st, 2, *first >= atomic_load(&p->last) ? p->end : 0);
	sqlite3_bind_int64(st, 3, p->id);
	if (fl_emb_run(e, SQL_FLOOR, err) != 0)
		return -1;
	return fl_emb_prepare(e, SQL_COMMIT, err) ? fl_emb_run(e, SQL_COMMIT, err) : -1;
}

int fl_emb_retain(struct embedded *e)
{
	char err[FL_ERRLEN] = "";
	struct limit l;
	int64_t first;
	struct part *p = NULL;
	uint32_t n = atomic_load(&e->streams);
	if (e->mode != FL_STREAMS_DAEMON || fl_monotonic() < e->retain_at)
		return 0;
	double now = fl_now();
	for (uint32_t i = 0; i < n && !p; i++)
		p = find_due(e->stream[e->retain_turn++ % n], now, &l);
	if (p && delete_rows(e, p, &l, &first, err) == 0) {
		atomic_store(&p->first, first);
		if (fl_emb_part_first(e, p, err) == 0)
			return 1;
	}
	fl_emb_rollback(e);
	if (*err)
		fl_log(FL_WARN, e->app, "old records stay for now: %s", err);
	e->retain_at = fl_monotonic() + EVERY;
	return 0;
}
