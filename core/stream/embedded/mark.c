/* Marks: how an offset that a power cut took is never given again. Called by the committer with db_lock held; the
 * syncs by anybody.
 *
 * In WAL mode with synchronous = NORMAL a commit is not synced, so a power cut may take the last ones, after readers
 * saw their records and sinks kept their offsets. So each partition has a mark in the file, and offsets are given
 * below a mark that is surely on the disk (safe) only. It is moved in large steps, well before it is reached, along
 * with a commit, and the keeper syncs it in the background; only a partition's first commit, and a jump over the whole
 * step, wait for a sync. After a power cut a partition goes on at its mark (file.c). A clean close lowers the marks to
 * the ends.
 *
 * A generation counts the marks that were committed; what a sync covers is the generation read before it began.
 *
 * The sync is fdatasync of the -wal file by a descriptor of our own: it flushes the file, whoever wrote it. That is
 * enough: what is not in the WAL any more was copied into the database and synced there before SQLite let the WAL be
 * written from its beginning again (synchronous is never OFF), and frames are read back in order, each with a checksum
 * over all before it. SQLite takes its file locks on streams.db and -shm, so that opening and closing the -wal drops
 * none of them; and the file stays the same one while a connection is open. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../base/clock.h"
#include "embedded.h"

#define STEP 65536
#define STEP_MAX (STEP << 6)

static int64_t safe(struct embedded *e, const struct part *p)
{
	return p->mark_gen <= atomic_load(&e->synced_gen) ? p->mark : p->safe;
}

static int is_near(const struct part *p, int64_t end) { return end + (p->step ? p->step : STEP) / 2 > p->mark; }

static void set_mark(struct embedded *e, struct part *p, int64_t mark)
{
	int64_t was = safe(e, p);
	p->safe = was < mark ? was : mark;
	p->mark = mark;
	p->mark_gen = atomic_load(&e->gen) + 1;
}

/* Read from the file: whoever wrote it may not have synced it. */
void fl_emb_mark_found(struct embedded *e, struct part *p, int64_t mark)
{
	if (p->mark_gen && mark == p->mark)
		return;
	set_mark(e, p, mark);
	atomic_fetch_add(&e->gen, 1);
}

int fl_emb_marks_cover(struct embedded *e, struct part *const *part, uint32_t n)
{
	if (e->power)
		return 1; /* the mark moves with the commit, and the commit is synced */
	for (uint32_t i = 0; i < n; i++)
		if (part[i]->at > safe(e, part[i]))
			return 0;
	return 1;
}

int fl_emb_marks_ready(struct embedded *e)
{
	for (uint32_t s = 0; s < atomic_load(&e->streams); s++)
		for (uint32_t i = 0; i < e->stream[s]->partitions; i++) {
			struct part *p = &e->stream[s]->part[i];
			if (is_near(p, p->end) || p->end + STEP / 2 > safe(e, p))
				return 0;
		}
	return 1;
}

int fl_emb_marks_move(struct embedded *e, struct part *const *part, uint32_t n, char *err)
{
	double now = fl_monotonic();
	int moved = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct part *p = part[i];
		p->mark_new = p->mark;
		if (!is_near(p, p->at))
			continue;
		/* A busy partition takes larger steps, so that marks do not sync the disk all the time. */
		p->step = p->step && now - p->mark_time < 10 ? (p->step < STEP_MAX ? p->step * 2 : STEP_MAX) : STEP;
		p->mark_new = p->at + p->step;
		sqlite3_stmt *st = fl_emb_prepare(e, SQL_MARK, err);
		if (!st)
			return -1;
		sqlite3_bind_int64(st, 1, p->mark_new);
		sqlite3_bind_int64(st, 2, p->id);
		if (fl_emb_run(e, SQL_MARK, err) != 0)
			return -1;
		moved++;
	}
	return moved;
}

void fl_emb_marks_moved(struct embedded *e, struct part *const *part, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (part[i]->mark_new != part[i]->mark) {
			set_mark(e, part[i], part[i]->mark_new);
			part[i]->mark_time = fl_monotonic();
		}
	atomic_fetch_add(&e->gen, 1);
}

/* All partitions of the app, so that at a start one sync is enough for the lot. What those of the merge that is under
 * way need stands in their at. */
int fl_emb_marks_ahead(struct embedded *e, char *err)
{
	struct part **all = NULL;
	uint32_t count = 0;
	int rc = -1;
	if (!fl_emb_prepare(e, SQL_BEGIN, err) || fl_emb_run(e, SQL_BEGIN, err) != 0 || fl_emb_refresh(e, err) != 0)
		goto out;
	for (uint32_t s = 0; s < atomic_load(&e->streams); s++) {
		all = fl_realloc(all, (count + e->stream[s]->partitions) * sizeof(struct part *));
		for (uint32_t i = 0; i < e->stream[s]->partitions; i++) {
			all[count++] = &e->stream[s]->part[i];
			if (all[count - 1]->merge != e->merges || all[count - 1]->at < all[count - 1]->end)
				all[count - 1]->at = all[count - 1]->end;
		}
	}
	if (fl_emb_marks_move(e, all, count, err) < 0 || !fl_emb_prepare(e, SQL_COMMIT, err) ||
	    fl_emb_run(e, SQL_COMMIT, err) != 0)
		goto out;
	fl_emb_marks_moved(e, all, count);
	rc = fl_emb_sync_wal(e, err);
out:
	fl_emb_rollback(e);
	free(all);
	return rc;
}

int fl_emb_marks_lower(struct embedded *e, char *err)
{
	if (!fl_emb_prepare(e, SQL_BEGIN, err) || fl_emb_run(e, SQL_BEGIN, err) != 0 || fl_emb_refresh(e, err) != 0)
		goto failed;
	for (uint32_t s = 0; s < atomic_load(&e->streams); s++)
		for (uint32_t i = 0; i < e->stream[s]->partitions; i++) {
			sqlite3_stmt *st = fl_emb_prepare(e, SQL_MARK, err);
			if (!st)
				goto failed;
			sqlite3_bind_int64(st, 1, e->stream[s]->part[i].end);
			sqlite3_bind_int64(st, 2, e->stream[s]->part[i].id);
			if (fl_emb_run(e, SQL_MARK, err) != 0)
				goto failed;
		}
	if (fl_emb_prepare(e, SQL_COMMIT, err) && fl_emb_run(e, SQL_COMMIT, err) == 0)
		return 0;
failed:
	fl_emb_rollback(e);
	return -1;
}

int fl_emb_sync_wal(struct embedded *e, char *err)
{
	uint64_t gen = atomic_load(&e->gen);
	if (fdatasync(e->wal_fd) != 0)
		return fl_err(err, "%s-wal: it cannot be synced: %s; check the disk", e->file, strerror(errno));
	uint64_t was = atomic_load(&e->synced_gen);
	while (was < gen && !atomic_compare_exchange_weak(&e->synced_gen, &was, gen)) {
	}
	return 0;
}

int fl_emb_sync(struct fl_streams *s, char *err)
{
	struct embedded *e = (struct embedded *)s;
	FL_ASSERT(e->mode != FL_STREAMS_READ);
	return fl_emb_sync_wal(e, err);
}
