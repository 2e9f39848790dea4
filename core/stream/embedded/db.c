/* Connections to streams.db, its prepared statements, and the sentences for what can go wrong with them. Called by all
 * files here: with db_lock held for what works on e->db, on any connection's own thread otherwise. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "embedded.h"

static const char *const text[SQL_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_VERSION] = "PRAGMA data_version",
	[SQL_APPEND] = "INSERT INTO batch(id, n, time, total, bytes) VALUES(?, ?, ?, ?, ?)",
	[SQL_POSITION_SET] = "INSERT INTO position(reader, part, next) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next",
	[SQL_POSITION] = "SELECT next FROM position WHERE reader = ? AND part = ?",
	[SQL_PART] = "SELECT next, mark, first FROM part WHERE id = ?",
	[SQL_LAST] = "SELECT id, n, total FROM batch WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1",
	[SQL_FIRST] = "SELECT id, n, time, total, length(bytes) FROM batch WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
	[SQL_MARK] = "UPDATE part SET mark = ? WHERE id = ?",
	[SQL_FLOOR] = "UPDATE part SET first = ?, next = max(next, ?) WHERE id = ?",
	[SQL_DELETE] = "DELETE FROM batch WHERE id >= ? AND id < ?",
	[SQL_STREAM] = "SELECT id, partition, partitions FROM part WHERE stream = ? ORDER BY partition",
	[SQL_PART_NEW] = "INSERT INTO part(stream, partition, partitions, changelog, first, next, mark) VALUES(?, ?, ?, ?, 0, 0, 0)",
};

/* Another process holds the write lock, usually for well under a millisecond. */
static int busy(void *ms, int tries)
{
	int us = tries < 20 ? 100 : 1000;
	if (tries > *(int *)ms)
		return 0;
	usleep((useconds_t)us);
	return 1;
}

sqlite3 *fl_emb_connect(struct embedded *e, int flags, int *busy_ms, char *err)
{
	sqlite3 *db = NULL;
	char *uri = NULL;
	const char *name = e->file;
	if (e->immutable) {
		/* SQLite decodes %HH in a URI, so these three have to be written so. */
		struct fl_buf b = {0};
		FL_BUF_LIT(&b, "file:");
		for (const char *p = e->file; *p; p++)
			if (*p == '%' || *p == '?' || *p == '#')
				fl_buf_printf(&b, "%%%02x", *p);
			else
				fl_buf_byte(&b, *p);
		fl_buf_add(&b, "?immutable=1", sizeof "?immutable=1");
		name = uri = b.p;
		flags |= SQLITE_OPEN_URI;
	}
	int rc = sqlite3_open_v2(name, &db, flags | SQLITE_OPEN_NOMUTEX, NULL);
	free(uri);
	if (rc != SQLITE_OK) {
		fl_emb_error(e, db, "opening it", err);
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_handler(db, busy, busy_ms);
	return db;
}

int fl_emb_error(struct embedded *e, sqlite3 *db, const char *doing, char *err)
{
	int rc = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM, sys = db ? sqlite3_system_errno(db) : 0;
	const char *why = db ? sqlite3_errmsg(db) : "out of memory";
	if ((rc & 0xff) == SQLITE_FULL || ((rc & 0xff) == SQLITE_IOERR && (sys == ENOSPC || sys == EDQUOT || sys == EFBIG)))
		return fl_err(err, "%s: %s: the disk is full, or a limit on the file's size is reached; make room there", e->file,
		              doing);
	if (rc == SQLITE_IOERR_WRITE) /* at a COMMIT SQLite does not say more */
		return fl_err(err, "%s: %s: it cannot be written: a quota or a limit on the file's size is reached, or the disk"
		              " fails; make room there, or see what the kernel's log says", e->file, doing);
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return fl_err(err, "%s: %s: another process keeps it locked; end that process (a sqlite3 shell inside a"
		              " transaction?)",
		              e->file, doing);
	case SQLITE_NOTADB:
		return fl_err(err, "%s: %s: this is no SQLite file; move it away, or use another --data", e->file, doing);
	case SQLITE_CORRUPT:
		return fl_err(err, "%s: %s: the file is damaged (%s); put a copy in its place, or save what can be read with"
		              " sqlite3's .recover", e->file, doing, why);
	case SQLITE_READONLY:
		return fl_err(err, "%s: %s: the file or its directory cannot be written; give the user that runs this write access",
		              e->file, doing);
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return fl_err(err, "%s: %s: the file or its directory cannot be opened (%s); check that this user may", e->file,
		              doing, sys ? strerror(sys) : why);
	default:
		return fl_err(err, "%s: %s: %s%s%s", e->file, doing, why, sys ? ": " : "", sys ? strerror(sys) : "");
	}
}

sqlite3_stmt *fl_emb_prepare(struct embedded *e, enum fl_emb_sql which, char *err)
{
	sqlite3_stmt **st = &e->sql[which];
	if (!*st && sqlite3_prepare_v3(e->db, text[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL) != SQLITE_OK) {
		fl_emb_error(e, e->db, "reading it", err);
		return NULL;
	}
	sqlite3_reset(*st);
	return *st;
}

int fl_emb_run(struct embedded *e, enum fl_emb_sql which, char *err)
{
	sqlite3_stmt *st = e->sql[which];
	int rc = sqlite3_step(st);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		fl_emb_error(e, e->db, "writing to it", err);
	sqlite3_reset(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -1;
}

int fl_emb_exec(struct embedded *e, sqlite3 *db, const char *sql, char *err)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return fl_emb_error(e, db, "setting it up", err);
	return 0;
}

int fl_emb_number(struct embedded *e, const char *sql, int64_t *out, char *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(e->db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	else
		rc = fl_emb_error(e, e->db, "reading it", err);
	sqlite3_finalize(st);
	return rc ? -1 : 0;
}

void fl_emb_rollback(struct embedded *e)
{
	char err[FL_ERRLEN];
	if (!sqlite3_get_autocommit(e->db) && fl_emb_prepare(e, SQL_ROLLBACK, err))
		sqlite3_step(e->sql[SQL_ROLLBACK]), sqlite3_reset(e->sql[SQL_ROLLBACK]);
}

/* A mutex is not fair: a committer under load would take it again before anybody who waits wakes up. So whoever wants
 * it says so, and the committer waits a moment between two transactions (commit.c). */
void fl_emb_enter(struct embedded *e)
{
	atomic_fetch_add(&e->db_wanted, 1);
	pthread_mutex_lock(&e->db_lock);
	atomic_fetch_sub(&e->db_wanted, 1);
}

void fl_emb_leave(struct embedded *e) { pthread_mutex_unlock(&e->db_lock); }
