/* libs: sqlite3 */
/* sqlite: a sink that puts each record into a row of an SQLite table, exactly once.
 *
 *     sink "readings" { from = enriched, plugin "sqlite" { file = "yacht.db", table = "readings" } }
 *
 * Rows and positions go in by one transaction: write() opens it, flush() adds the positions and commits. Positions stand
 * in the table fairlead_positions(stream, partition, next, into_table). The file is in WAL mode with synchronous = FULL:
 * what is committed outlives a power cut, and readers are never in the way.
 *
 * Without `columns` each field has its column. The table is made from the fields of the first record, and a field that
 * turns up later becomes a new column. Columns have no declared type, so each value stays what it is in its record: an
 * integer of up to 64 bits INTEGER, one that only an unsigned one holds its digits as TEXT, another number REAL, true
 * and false 1 and 0, an object or array its JSON text, null and missing NULL. (A declared type would turn "007" into 7
 * and 2^64-1 into a rounded 1.8e19. A table that is there already is used as it is, with that effect.)
 *
 * With `columns = { yacht_id = "id", at = time "timestamp" }` a row has these; time writes seconds as ISO 8601 text.
 *
 * A row that the database refuses (a constraint, a column too many) is rejected with the database's words, its
 * neighbours go in. While the file is locked by somebody else events are answered with FL_RETRY. Whatever else fails, a
 * full disk above all, takes the transaction back and is an error of the call: the host writes again what was in it.
 *
 * All calls come from the sink's thread. */
#include "fairlead.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE 2000 /* ms that a lock of somebody else is waited for */
#define EXACT 9007199254740992.0 /* 2^53 */

struct conf {
	const char *file, *table;
	struct fl_map columns;
};

struct column {
	char *name;
	uint32_t len;
	uint32_t field; /* with a column map */
	uint8_t time;   /* seconds become a text */
};

struct self {
	struct fl_ctx *ctx;
	const struct fl_host *host;
	const struct conf *conf;
	char *path;
	sqlite3 *db;
	sqlite3_stmt *insert; /* NULL: the columns have changed since */
	struct column *column;
	uint32_t columns, fixed; /* those of the map */
	uint32_t guess;          /* fields mostly come in the columns' order */
	int ready;               /* the file is set up */
	int in_transaction;
	int locked;              /* it was, when a row was tried last */
};

enum { ROW_IN, ROW_REFUSED, ROW_FAILED };

/* ---- errors ---- */

static int say(struct self *self, char *err, const char *what)
{
	int rc = self->db ? sqlite3_extended_errcode(self->db) : SQLITE_NOMEM;
	const char *hint = "";
	if (rc == SQLITE_CANTOPEN)
		hint = "; its directory must be there, and writable";
	snprintf(err, FL_ERRLEN, "can't %s %s: %s%s", what, self->path, self->db ? sqlite3_errmsg(self->db) : "no memory is left", hint);
	return -1;
}

static int run(struct self *self, const char *sql)
{
	return sqlite3_exec(self->db, sql, NULL, NULL, NULL) & 0xff;
}

/* Whether what just failed is the row's fault alone, with the transaction still there. */
static int is_rows_fault(struct self *self, int rc)
{
	if (sqlite3_get_autocommit(self->db))
		return 0;
	return rc == SQLITE_CONSTRAINT || rc == SQLITE_MISMATCH || rc == SQLITE_TOOBIG || rc == SQLITE_ERROR || rc == SQLITE_RANGE;
}

static void forget_columns(struct self *self, uint32_t from)
{
	while (self->columns > from)
		free(self->column[--self->columns].name);
	sqlite3_finalize(self->insert);
	self->insert = NULL;
}

static void give_up(struct self *self)
{
	forget_columns(self, self->fixed);
	if (!sqlite3_get_autocommit(self->db))
		run(self, "ROLLBACK");
	self->in_transaction = 0;
}

/* ---- columns ---- */

static struct column *add_column(struct self *self, const char *name, uint32_t len)
{
	struct column *c = realloc(self->column, (self->columns + 1) * sizeof *c);
	char *copy = malloc(len + 1);
	if (c)
		self->column = c;
	if (!c || !copy) {
		free(copy);
		return NULL;
	}
	memcpy(copy, name, len);
	copy[len] = 0;
	c += self->columns++;
	*c = (struct column){.name = copy, .len = len, .field = FL_NO_FIELD};
	return c;
}

static struct column *find_column(struct self *self, struct fl_str name)
{
	for (uint32_t k = 0; k < self->columns; k++) {
		uint32_t at = self->guess + k < self->columns ? self->guess + k : self->guess + k - self->columns;
		struct column *c = &self->column[at];
		if (c->len == name.len && memcmp(c->name, name.p, name.len) == 0) {
			self->guess = at + 1 < self->columns ? at + 1 : 0;
			return c;
		}
	}
	return NULL;
}

/* The statement for the columns as they are now. An SQLite result. */
static int prepare(struct self *self)
{
	sqlite3_str *s = sqlite3_str_new(self->db);
	sqlite3_str_appendf(s, "INSERT INTO \"%w\"", self->conf->table);
	for (uint32_t k = 0; k < self->columns; k++)
		sqlite3_str_appendf(s, "%s\"%w\"", k ? ", " : " (", self->column[k].name);
	sqlite3_str_appendall(s, self->columns ? ") VALUES (" : " DEFAULT VALUES");
	for (uint32_t k = 0; k < self->columns; k++)
		sqlite3_str_appendall(s, k ? ", ?" : "?");
	sqlite3_str_appendall(s, self->columns ? ")" : "");
	char *sql = sqlite3_str_finish(s);
	sqlite3_finalize(self->insert);
	self->insert = NULL;
	int rc = sql ? sqlite3_prepare_v3(self->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &self->insert, NULL) : SQLITE_NOMEM;
	sqlite3_free(sql);
	return rc & 0xff;
}

/* Whether the table has a column, or with name NULL, whether it is there. 1, 0, or -1 for the database's error. */
static int has_column(struct self *self, const char *name)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(self->db, "SELECT 1 FROM pragma_table_xinfo(?1) WHERE ?2 IS NULL OR name = ?2 COLLATE NOCASE LIMIT 1", -1, &st, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_bind_text(st, 1, self->conf->table, -1, SQLITE_STATIC);
		if (name)
			sqlite3_bind_text(st, 2, name, -1, SQLITE_STATIC);
		rc = sqlite3_step(st);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

static int run_built(struct self *self, sqlite3_str *s)
{
	char *sql = sqlite3_str_finish(s);
	int rc = sql ? run(self, sql) : SQLITE_NOMEM;
	sqlite3_free(sql);
	return rc;
}

static int make_table(struct self *self)
{
	sqlite3_str *s = sqlite3_str_new(self->db);
	sqlite3_str_appendf(s, "CREATE TABLE \"%w\" (", self->conf->table);
	for (uint32_t k = 0; k < self->columns; k++)
		sqlite3_str_appendf(s, "%s\"%w\"", k ? ", " : "", self->column[k].name);
	sqlite3_str_appendall(s, ")");
	return run_built(self, s);
}

/* Gives the table what the columns from `from` on need. An SQLite result. */
static int fit_table(struct self *self, uint32_t from)
{
	int rc = SQLITE_OK, there = has_column(self, NULL);
	if (there < 0)
		return sqlite3_errcode(self->db) & 0xff;
	if (!there)
		return make_table(self);
	for (uint32_t k = from; k < self->columns && rc == SQLITE_OK; k++) {
		if ((there = has_column(self, self->column[k].name)) < 0)
			return sqlite3_errcode(self->db) & 0xff;
		if (there)
			continue;
		sqlite3_str *s = sqlite3_str_new(self->db);
		sqlite3_str_appendf(s, "ALTER TABLE \"%w\" ADD COLUMN \"%w\"", self->conf->table, self->column[k].name);
		rc = run_built(self, s);
	}
	return rc;
}

/* ---- values ---- */

/* A time as text, by which it can also be sorted; 0: it has none. */
static int time_text(char *to, size_t size, double t)
{
	if (!(fabs(t) < 1e12))
		return 0;
	int64_t us = llround(t * 1e6), rest = us % 1000000;
	time_t s = (time_t)(us / 1000000);
	struct tm tm;
	if (rest < 0) {
		rest += 1000000;
		s--;
	}
	if (!gmtime_r(&s, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099)
		return 0;
	return snprintf(to, size, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	                tm.tm_min, tm.tm_sec, (int)rest);
}

/* The host's texts stay until the row is in. */
static int bind_text(struct self *self, int at, struct fl_str s)
{
	return sqlite3_bind_text(self->insert, at, s.p ? s.p : "", (int)s.len, SQLITE_STATIC);
}

static int bind_number(struct self *self, const struct column *c, int at, double num, struct fl_str text)
{
	char iso[64];
	int len = c->time ? time_text(iso, sizeof iso, num) : 0;
	if (len)
		return sqlite3_bind_text(self->insert, at, iso, len, SQLITE_TRANSIENT);
	if (!isfinite(num))
		return bind_text(self, at, text); /* beyond a double: its digits */
	if (fabs(num) <= EXACT && num == (double)(int64_t)num)
		return sqlite3_bind_int64(self->insert, at, (int64_t)num);
	return sqlite3_bind_double(self->insert, at, num);
}

static int bind_bigint(struct self *self, int at, struct fl_str text)
{
	char digits[32];
	if (text.len < sizeof digits) {
		memcpy(digits, text.p, text.len);
		digits[text.len] = 0;
		errno = 0;
		long long v = strtoll(digits, NULL, 10);
		if (!errno)
			return sqlite3_bind_int64(self->insert, at, v);
	}
	return bind_text(self, at, text);
}

static int bind(struct self *self, struct column *c, uint8_t type, double num, struct fl_str str)
{
	int at = (int)(c - self->column) + 1;
	switch (type) {
	case FL_NUMBER:
		return bind_number(self, c, at, num, str);
	case FL_BIGINT:
		return bind_bigint(self, at, str);
	case FL_BOOL:
		return sqlite3_bind_int64(self->insert, at, num != 0);
	case FL_STRING:
	case FL_NESTED:
		return bind_text(self, at, str);
	default:
		return sqlite3_bind_null(self->insert, at);
	}
}

/* ---- rows ---- */

static const char NOT_JSON[] = "the record is no JSON object";

enum { SAW_NEW = 1, SAW_ERROR, SAW_ZERO, SAW_TWINS };

static int see_value(void *arg, const struct fl_cell *cell)
{
	struct self *self = arg;
	struct column *c = find_column(self, cell->name);
	if (!c)
		return SAW_NEW;
	return bind(self, c, (uint8_t)cell->type, cell->num, cell->str) == SQLITE_OK ? 0 : SAW_ERROR;
}

/* A field that has no column yet gets one. */
static int see_name(void *arg, const struct fl_cell *cell)
{
	struct self *self = arg;
	if (memchr(cell->name.p, 0, cell->name.len))
		return SAW_ZERO;
	if (find_column(self, cell->name))
		return 0;
	struct column *c = add_column(self, cell->name.p, cell->name.len);
	if (!c)
		return SAW_ERROR;
	for (uint32_t k = 0; k + 1 < self->columns; k++)
		if (sqlite3_stricmp(self->column[k].name, c->name) == 0)
			return SAW_TWINS;
	return 0;
}

static int refuse(struct self *self, struct fl_batch *b, uint32_t i, const char *why)
{
	self->host->reject(self->ctx, b, i, "table \"%s\" of %s: %s", self->conf->table, self->conf->file, why);
	return ROW_REFUSED;
}

static int refuse_or_fail(struct self *self, struct fl_batch *b, uint32_t i, int rc)
{
	return is_rows_fault(self, rc) ? refuse(self, b, i, sqlite3_errmsg(self->db)) : ROW_FAILED;
}

/* Columns for all fields of event i, in the table and in the statement. */
static int learn(struct self *self, struct fl_batch *b, uint32_t i)
{
	const uint32_t was = self->columns;
	const char *why = NULL;
	int rc, saw = self->host->each_field(self->ctx, b, i, see_name, self);
	if (saw == SAW_ERROR)
		return ROW_FAILED;
	if (saw == 0 && self->columns == 0) {
		if ((rc = has_column(self, NULL)) < 0)
			return ROW_FAILED;
		why = rc ? NULL : "the record has no fields, and the table is not made yet";
	} else if (saw == 0) {
		rc = fit_table(self, self->insert ? was : 0);
		if (rc != SQLITE_OK && !is_rows_fault(self, rc))
			return ROW_FAILED;
		why = rc ? sqlite3_errmsg(self->db) : NULL;
	} else
		why = saw == SAW_ZERO ? "a field's name has a zero byte in it, which no column's name can have" :
		      saw == SAW_TWINS ? "two fields differ only in capital letters, which columns can't" : NOT_JSON;
	if (!why)
		return prepare(self) == SQLITE_OK ? ROW_IN : ROW_FAILED;
	refuse(self, b, i, why);
	forget_columns(self, was);
	return ROW_REFUSED;
}

static int bind_fields(struct self *self, struct fl_batch *b, uint32_t i)
{
	int saw = self->insert ? self->host->each_field(self->ctx, b, i, see_value, self) : SAW_NEW;
	if (saw == SAW_NEW) {
		int verdict = learn(self, b, i);
		if (verdict != ROW_IN)
			return verdict;
		saw = self->host->each_field(self->ctx, b, i, see_value, self);
	}
	if (saw == SAW_ERROR)
		return refuse_or_fail(self, b, i, sqlite3_errcode(self->db) & 0xff);
	return saw ? refuse(self, b, i, NOT_JSON) : ROW_IN;
}

static int bind_map(struct self *self, struct fl_batch *b, uint32_t i)
{
	for (uint32_t k = 0; k < self->columns; k++) {
		struct column *c = &self->column[k];
		const struct fl_column *f = b->column[c->field];
		int rc = bind(self, c, f->type[i], f->num[i], f->str[i]);
		if (rc != SQLITE_OK)
			return refuse_or_fail(self, b, i, rc & 0xff);
	}
	return ROW_IN;
}

static int put_row(struct self *self, struct fl_batch *b, uint32_t i)
{
	if (!b->value[i].p)
		return refuse(self, b, i, "the record is a tombstone, which makes no row");
	if (self->insert)
		sqlite3_clear_bindings(self->insert);
	self->guess = 0;
	int verdict = self->conf->columns.n ? bind_map(self, b, i) : bind_fields(self, b, i);
	if (verdict != ROW_IN)
		return verdict;
	int rc = sqlite3_step(self->insert) & 0xff;
	if (rc != SQLITE_DONE) {
		char why[FL_ERRLEN / 2];
		snprintf(why, sizeof why, "%s", sqlite3_errmsg(self->db));
		verdict = is_rows_fault(self, rc) ? ROW_REFUSED : ROW_FAILED;
		/* A general error may be the table's: it was dropped or changed meanwhile. Then no row is to blame. */
		if (rc == SQLITE_ERROR && verdict == ROW_REFUSED && prepare(self) != SQLITE_OK)
			return ROW_FAILED;
		if (verdict == ROW_REFUSED)
			refuse(self, b, i, why);
	}
	if (verdict != ROW_FAILED)
		sqlite3_reset(self->insert);
	return verdict;
}

/* ---- transactions ---- */

static const char MAKE_POSITIONS[] =
	"CREATE TABLE IF NOT EXISTS fairlead_positions (stream TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, "
	"into_table TEXT NOT NULL, PRIMARY KEY (into_table, stream, partition)) WITHOUT ROWID";
static const char PUT_POSITION[] =
	"INSERT INTO fairlead_positions (into_table, stream, partition, next) VALUES (?, ?, ?, ?) "
	"ON CONFLICT DO UPDATE SET next = excluded.next";

/* An SQLite result; SQLITE_BUSY: somebody else has the file, and nothing was done. */
static int begin(struct self *self)
{
	int rc = SQLITE_OK;
	if (!self->ready && (rc = run(self, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")) != SQLITE_OK)
		return rc;
	self->ready = 1;
	if ((rc = run(self, "BEGIN IMMEDIATE")) != SQLITE_OK)
		return rc;
	self->in_transaction = 1;
	rc = run(self, MAKE_POSITIONS);
	if (rc == SQLITE_OK && self->conf->columns.n && !self->insert && (rc = fit_table(self, 0)) == SQLITE_OK)
		rc = prepare(self);
	return rc;
}

static void all_again(struct self *self, struct fl_batch *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (b->outcome[i] == FL_PASS)
			b->outcome[i] = FL_RETRY;
	if (!self->locked)
		self->host->log(self->ctx, FL_WARN, "%s is locked by somebody else; its rows wait", self->path);
	self->locked = 1;
}

static int sqlite_write(void *arg, struct fl_batch *b, char *err)
{
	struct self *self = arg;
	if (!self->in_transaction) {
		int rc = begin(self);
		if ((rc == SQLITE_BUSY || rc == SQLITE_LOCKED) && !self->in_transaction) {
			all_again(self, b);
			return 0;
		}
		if (rc != SQLITE_OK)
			goto failed;
		self->locked = 0;
	}
	for (uint32_t i = 0; i < b->n; i++)
		if (b->outcome[i] == FL_PASS && put_row(self, b, i) == ROW_FAILED)
			goto failed;
	return 0;
failed:
	say(self, err, "write to");
	give_up(self);
	return -1;
}

static int put_positions(struct self *self, const struct fl_position *pos, uint32_t n)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(self->db, PUT_POSITION, -1, &st, NULL);
	for (uint32_t k = 0; k < n && rc == SQLITE_OK; k++) {
		sqlite3_bind_text(st, 1, self->conf->table, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 2, pos[k].stream, -1, SQLITE_STATIC);
		sqlite3_bind_int64(st, 3, pos[k].partition);
		sqlite3_bind_int64(st, 4, pos[k].next);
		sqlite3_step(st);
		rc = sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	return rc & 0xff;
}

static int sqlite_flush(void *arg, const struct fl_position *pos, uint32_t n, char *err)
{
	struct self *self = arg;
	if ((self->in_transaction || begin(self) == SQLITE_OK) && put_positions(self, pos, n) == SQLITE_OK && run(self, "COMMIT") == SQLITE_OK) {
		self->in_transaction = 0;
		return 0;
	}
	say(self, err, "commit to");
	give_up(self);
	return -1;
}

static int sqlite_position(void *arg, struct fl_position *pos, char *err)
{
	struct self *self = arg;
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(self->db, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'fairlead_positions'", -1, &st, NULL);
	int there = rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW;
	sqlite3_finalize(st);
	st = NULL;
	if (there && (rc = sqlite3_prepare_v2(self->db, "SELECT next FROM fairlead_positions WHERE into_table = ? AND stream = ? AND partition = ?", -1, &st, NULL)) == SQLITE_OK) {
		sqlite3_bind_text(st, 1, self->conf->table, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 2, pos->stream, -1, SQLITE_STATIC);
		sqlite3_bind_int64(st, 3, pos->partition);
		if ((rc = sqlite3_step(st)) == SQLITE_ROW)
			pos->next = sqlite3_column_int64(st, 0);
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		say(self, err, "read the position in");
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

/* ---- the plugin ---- */

static void sqlite_sink_close(void *arg)
{
	struct self *self = arg;
	forget_columns(self, 0);
	sqlite3_close(self->db); /* takes an open transaction back */
	free(self->column);
	free(self->path);
	free(self);
}

static int take_options(struct self *self, char *err)
{
	const struct conf *c = self->conf;
	for (uint32_t k = 0; k < c->columns.n; k++) {
		const struct fl_map_entry *e = &c->columns.entry[k];
		struct column *col = add_column(self, e->name, (uint32_t)strlen(e->name));
		if (!col)
			return say(self, err, "open");
		if (e->as && strcmp(e->as, "time") != 0) {
			snprintf(err, FL_ERRLEN, "column \"%s\" is %s of a field; sqlite knows only time \"field\"", e->name, e->as);
			return -1;
		}
		col->field = e->field;
		col->time = e->as != NULL;
	}
	self->fixed = self->columns;
	return 0;
}

static char *path_of(const char *dir, const char *file)
{
	char *path = NULL;
	if (file[0] == '/')
		return strdup(file);
	return asprintf(&path, "%s/%s", dir, file) < 0 ? NULL : path;
}

static int sqlite_open(struct fl_ctx *ctx, const struct fl_host *host, const void *conf, void **out, char *err)
{
	const struct conf *c = conf;
	struct self *self = calloc(1, sizeof *self);
	if (!self || !(self->path = path_of(host->data_dir(ctx), c->file))) {
		snprintf(err, FL_ERRLEN, "no memory is left");
		free(self);
		return -1;
	}
	self->ctx = ctx;
	self->host = host;
	self->conf = c;
	if (sqlite3_strnicmp(c->table, "sqlite_", 7) == 0 || sqlite3_stricmp(c->table, "fairlead_positions") == 0) {
		snprintf(err, FL_ERRLEN, "table \"%s\" is not for rows: take another name", c->table);
		goto failed;
	}
	if (sqlite3_open_v2(self->path, &self->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		say(self, err, "open");
		goto failed;
	}
	sqlite3_busy_timeout(self->db, PATIENCE);
	if (take_options(self, err) < 0)
		goto failed;
	*out = self;
	return 0;
failed:
	sqlite_sink_close(self);
	return -1;
}

static const struct fl_option OPTIONS[] = {
	{"file", FL_OPT_STRING, "!", "the database, below the app's data where the path is relative", offsetof(struct conf, file), NULL},
	{"table", FL_OPT_STRING, "!", "the table; made where there is none", offsetof(struct conf, table), NULL},
	{"columns", FL_OPT_MAP, NULL, "column = \"field\" or column = time \"field\"; without it, every field is a column", offsetof(struct conf, columns), NULL},
	{0},
};

const struct fl_plugin fl_plugin = {
	.abi = FL_ABI,
	.size = sizeof(struct fl_plugin),
	.kind = FL_SINK,
	.name = "sqlite",
	.version = "1.0",
	.help = "rows of an SQLite table, exactly once",
	.options = OPTIONS,
	.conf_size = sizeof(struct conf),
	.open = sqlite_open,
	.close = sqlite_sink_close,
	.write = sqlite_write,
	.flush = sqlite_flush,
	.position = sqlite_position,
};
