/* What is known of streams and their partitions: kept in memory, learnt from the file when it is opened, and again when
 * another process (send) committed. The functions of struct fl_streams_ops here are called from any thread. */
#include "embedded.h"

#include <stdio.h>
#include <stdlib.h>

static struct embedded *of(struct fl_streams *s) { return (struct embedded *)s; }

struct part *fl_emb_part(struct embedded *e, uint32_t stream, uint32_t partition)
{
	FL_ASSERT(stream < atomic_load(&e->streams));
	FL_ASSERT(partition < e->stream[stream]->partitions);
	return &e->stream[stream]->part[partition];
}

static void bind_range(sqlite3_stmt *st, int64_t id)
{
	sqlite3_bind_int64(st, 1, id << FL_EMB_SHIFT);
	sqlite3_bind_int64(st, 2, (id + 1) << FL_EMB_SHIFT);
}

#define OFFSET(id) ((id) & (((int64_t)1 << FL_EMB_SHIFT) - 1))

int fl_emb_part_first(struct embedded *e, struct part *p, char *err)
{
	sqlite3_stmt *st = fl_emb_prepare(e, SQL_FIRST, err);
	if (!st)
		return -1;
	bind_range(st, p->id);
	sqlite3_bind_int(st, 3, 1);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		p->first_end = OFFSET(sqlite3_column_int64(st, 0)) + sqlite3_column_int64(st, 1);
		p->first_time = sqlite3_column_double(st, 2);
		p->first_before = sqlite3_column_int64(st, 3) - sqlite3_column_int64(st, 4);
	} else if (rc == SQLITE_DONE) {
		p->first_end = 0;
		p->first_before = p->total;
		atomic_store(&p->last, 0);
	}
	sqlite3_reset(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : fl_emb_error(e, e->db, "reading it", err);
}

static int load_last(struct embedded *e, struct part *p, int64_t *last, char *err)
{
	sqlite3_stmt *st = fl_emb_prepare(e, SQL_LAST, err);
	if (!st)
		return -1;
	bind_range(st, p->id);
	int rc = sqlite3_step(st);
	*last = 0;
	if (rc == SQLITE_ROW) {
		*last = OFFSET(sqlite3_column_int64(st, 0)) + sqlite3_column_int64(st, 1);
		p->total = sqlite3_column_int64(st, 2);
	}
	sqlite3_reset(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : fl_emb_error(e, e->db, "reading it", err);
}

/* 1: there is something new in it. */
static int load(struct embedded *e, struct part *p, char *err)
{
	int64_t last, next, mark, first;
	sqlite3_stmt *st = fl_emb_prepare(e, SQL_PART, err);
	if (!st || load_last(e, p, &last, err) != 0)
		return -1;
	sqlite3_bind_int64(st, 1, p->id);
	int rc = sqlite3_step(st);
	next = sqlite3_column_int64(st, 0);
	mark = sqlite3_column_int64(st, 1);
	first = sqlite3_column_int64(st, 2);
	sqlite3_reset(st);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? fl_err(err, "%s: a partition was removed from it while this runs; start again", e->file)
		                         : fl_emb_error(e, e->db, "reading it", err);
	p->end = last > next ? last : next;
	fl_emb_mark_found(e, p, mark);
	atomic_store(&p->first, first);
	int news = last > atomic_load(&p->last);
	if (fl_emb_part_first(e, p, err) != 0)
		return -1;
	atomic_store_explicit(&p->last, last, memory_order_release);
	return news;
}

static int data_version(struct embedded *e, int64_t *out, char *err)
{
	sqlite3_stmt *st = fl_emb_prepare(e, SQL_VERSION, err);
	if (!st)
		return -1;
	int rc = sqlite3_step(st);
	*out = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? 0 : fl_emb_error(e, e->db, "reading it", err);
}

int fl_emb_refresh(struct embedded *e, char *err)
{
	int64_t version;
	int news = 0;
	if (data_version(e, &version, err) != 0)
		return -1;
	if (version == e->version)
		return 0;
	for (uint32_t s = 0; s < atomic_load(&e->streams); s++)
		for (uint32_t i = 0; i < e->stream[s]->partitions; i++) {
			int rc = load(e, &e->stream[s]->part[i], err);
			if (rc < 0)
				return -1;
			news |= rc;
		}
	e->version = version;
	if (news)
		fl_emb_announce(e);
	return 0;
}

/* ids of a stream's partitions as the file has them: how many, 0 for an unknown stream, -1: err. */
static int64_t look_up(struct embedded *e, const char *name, int64_t **ids, char *err)
{
	sqlite3_stmt *st = fl_emb_prepare(e, SQL_STREAM, err);
	int64_t n = 0;
	int rc;
	if (!st)
		return -1;
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		*ids = fl_realloc(*ids, (size_t)(n + 1) * sizeof **ids);
		(*ids)[n++] = sqlite3_column_int64(st, 0);
	}
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? n : fl_emb_error(e, e->db, "reading it", err);
}

static int create(struct embedded *e, const struct fl_stream_def *def, char *err)
{
	for (uint32_t i = 0; i < def->partitions; i++) {
		sqlite3_stmt *st = fl_emb_prepare(e, SQL_PART_NEW, err);
		if (!st)
			return -1;
		sqlite3_bind_text(st, 1, def->name, -1, SQLITE_STATIC);
		sqlite3_bind_int64(st, 2, i);
		sqlite3_bind_int64(st, 3, def->partitions);
		sqlite3_bind_int(st, 4, def->changelog != 0);
		if (fl_emb_run(e, SQL_PART_NEW, err) != 0)
			return -1;
		if (sqlite3_last_insert_rowid(e->db) > FL_EMB_PARTS)
			return fl_err(err, "%s would have more than %d partitions with stream \"%s\"; that is the most an app can have",
			              e->file, FL_EMB_PARTS, def->name);
	}
	return 0;
}

/* Looks the stream up, making it where it may; in one transaction, since another process may do the same. */
static int64_t look_up_or_create(struct embedded *e, const struct fl_stream_def *def, int64_t **ids, char *err)
{
	int64_t n = look_up(e, def->name, ids, err);
	if (n != 0 || e->mode == FL_STREAMS_READ || def->partitions == 0)
		return n == 0 ? fl_err(err, "%s: there is no stream \"%s\"", e->file, def->name) : n;
	if (!fl_emb_prepare(e, SQL_BEGIN, err) || fl_emb_run(e, SQL_BEGIN, err) != 0)
		return -1;
	n = look_up(e, def->name, ids, err);
	if (n == 0 && create(e, def, err) == 0)
		n = look_up(e, def->name, ids, err);
	else if (n == 0)
		n = -1;
	if (n < 0 || !fl_emb_prepare(e, SQL_COMMIT, err) || fl_emb_run(e, SQL_COMMIT, err) != 0) {
		fl_emb_rollback(e);
		n = -1;
	}
	return n;
}

static int add_stream(struct embedded *e, const struct fl_stream_def *def, const int64_t *ids, uint32_t n, char *err)
{
	uint32_t index = atomic_load(&e->streams);
	if (index == FL_EMB_STREAMS)
		return fl_err(err, "%s: stream \"%s\" is one too many; an app can have %d", e->file, def->name, FL_EMB_STREAMS);
	struct stream *s = fl_alloc(sizeof *s);
	s->name = fl_strdup(def->name);
	s->partitions = n;
	s->part = fl_alloc(n * sizeof *s->part);
	for (uint32_t i = 0; i < n; i++) {
		s->part[i].id = ids[i];
		if (load(e, &s->part[i], err) < 0) {
			free(s->part);
			free(s->name);
			free(s);
			return -1;
		}
	}
	e->stream[index] = s;
	atomic_store(&e->streams, index + 1);
	return (int)index;
}

static int declare_new(struct embedded *e, const struct fl_stream_def *def, char *err)
{
	int64_t *ids = NULL, n = look_up_or_create(e, def, &ids, err);
	int index = -1;
	if (n > 0 && def->partitions && n != def->partitions)
		fl_err(err, "%s: stream \"%s\" has %lld partitions, not %u; keep the %lld, or give the stream a new name", e->file,
		       def->name, (long long)n, def->partitions, (long long)n);
	else if (n > 0)
		index = add_stream(e, def, ids, (uint32_t)n, err);
	free(ids);
	return index;
}

int fl_emb_declare(struct fl_streams *streams, const struct fl_stream_def *def, char *err)
{
	struct embedded *e = of(streams);
	uint32_t n, i = 0;
	int index = -1;
	FL_ASSERT(def->name && *def->name);
	FL_ASSERT(def->partitions > 0 || e->mode != FL_STREAMS_DAEMON);
	if (strlen(def->name) >= sizeof((struct fl_stream_info *)0)->name)
		return fl_err(err, "stream \"%.40s…\": a name has at most %zu bytes", def->name,
		              sizeof((struct fl_stream_info *)0)->name - 1);
	fl_emb_enter(e);
	for (n = atomic_load(&e->streams); i < n && strcmp(e->stream[i]->name, def->name) != 0; i++) {
	}
	if (i == n)
		index = declare_new(e, def, err);
	else if (def->partitions && e->stream[i]->partitions != def->partitions)
		fl_err(err, "stream \"%s\" has %u partitions, not %u; the number cannot change", def->name, e->stream[i]->partitions,
		       def->partitions);
	else
		index = (int)i;
	if (index >= 0) {
		struct stream *s = e->stream[index];
		s->keep_age = def->keep_age;
		s->keep_bytes = def->keep_bytes;
		s->changelog = def->changelog;
	}
	fl_emb_leave(e);
	return index;
}

uint32_t fl_emb_partitions(struct fl_streams *s, uint32_t stream)
{
	fl_emb_part(of(s), stream, 0);
	return of(s)->stream[stream]->partitions;
}

int fl_emb_bounds(struct fl_streams *s, uint32_t stream, uint32_t partition, int64_t *first, int64_t *next, char *err)
{
	struct embedded *e = of(s);
	struct part *p = fl_emb_part(e, stream, partition);
	fl_emb_enter(e);
	int rc = fl_emb_refresh(e, err);
	*first = atomic_load(&p->first);
	*next = p->end;
	fl_emb_leave(e);
	return rc;
}

int64_t fl_emb_end(struct fl_streams *s, uint32_t stream, uint32_t partition)
{
	struct part *p = fl_emb_part(of(s), stream, partition);
	int64_t last = atomic_load(&p->last), first = atomic_load(&p->first);
	return last > first ? last : first;
}

int64_t fl_emb_position(struct fl_streams *s, const char *reader, uint32_t stream, uint32_t partition, char *err)
{
	struct embedded *e = of(s);
	struct part *p = fl_emb_part(e, stream, partition);
	int64_t next = -1;
	fl_emb_enter(e);
	sqlite3_stmt *st = fl_emb_prepare(e, SQL_POSITION, err);
	int rc = SQLITE_ERROR;
	if (st) {
		sqlite3_bind_text(st, 1, reader, -1, SQLITE_STATIC);
		sqlite3_bind_int64(st, 2, p->id);
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			next = sqlite3_column_int64(st, 0);
		else if (rc != SQLITE_DONE)
			fl_emb_error(e, e->db, "reading it", err);
		sqlite3_reset(st);
	}
	fl_emb_leave(e);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? next : -2;
}

void fl_emb_trim(struct fl_streams *s, uint32_t stream, uint32_t partition, int64_t next)
{
	struct embedded *e = of(s);
	struct part *p = fl_emb_part(e, stream, partition);
	FL_ASSERT(e->stream[stream]->changelog && e->mode == FL_STREAMS_DAEMON);
	int64_t was = atomic_load(&p->trim);
	while (was < next && !atomic_compare_exchange_weak(&p->trim, &was, next)) {
	}
}

int fl_emb_list(struct fl_streams *s, struct fl_stream_info **out, uint32_t *n, char *err)
{
	struct embedded *e = of(s);
	sqlite3_stmt *st = NULL;
	int rc;
	*out = NULL;
	*n = 0;
	fl_emb_enter(e);
	rc = sqlite3_prepare_v2(e->db, "SELECT stream, partitions FROM part WHERE partition = 0 ORDER BY stream", -1, &st,
	                        NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		*out = fl_realloc(*out, (*n + 1) * sizeof **out);
		struct fl_stream_info *info = &(*out)[(*n)++];
		snprintf(info->name, sizeof info->name, "%s", (const char *)sqlite3_column_text(st, 0));
		info->partitions = (uint32_t)sqlite3_column_int64(st, 1);
		rc = SQLITE_OK;
	}
	if (rc != SQLITE_DONE)
		fl_emb_error(e, e->db, "reading it", err);
	sqlite3_finalize(st);
	fl_emb_leave(e);
	if (rc != SQLITE_DONE)
		free(*out), *out = NULL, *n = 0;
	return rc == SQLITE_DONE ? 0 : -1;
}
