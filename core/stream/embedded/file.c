/* The file streams.db: made where new, refused where its format is another, and after a power cut put right. Called
 * once when streams are opened.
 *
 * Power cuts: which boot of the machine wrote last stands in meta. When it was another one, commits at the end may be
 * gone that readers had seen, so every partition goes on at its mark, below which lie all offsets that were given. A
 * clean close lowers the marks to the ends (mark.c), and then there is no gap. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../base/log.h"
#include "embedded.h"

#define APPLICATION 0x464c7374 /* "FLst" */
#define STR2(x) #x
#define STR(x) STR2(x)

static const char schema[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
	"CREATE TABLE part(id INTEGER PRIMARY KEY, stream TEXT NOT NULL, partition INTEGER NOT NULL,"
	" partitions INTEGER NOT NULL, changelog INTEGER NOT NULL,"
	" first INTEGER NOT NULL, next INTEGER NOT NULL, mark INTEGER NOT NULL, "
	" UNIQUE(stream, partition));"
	"CREATE TABLE batch(id INTEGER PRIMARY KEY, n INTEGER NOT NULL, time REAL NOT NULL, total INTEGER NOT NULL,"
	" bytes BLOB NOT NULL);"
	"CREATE TABLE position(reader TEXT NOT NULL, part INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY(reader, part))"
	" WITHOUT ROWID;"
	/* For people with the sqlite3 shell. */
	"CREATE VIEW segments AS SELECT stream, partition, b.id & 281474976710655 AS first, n,"
	" datetime(time, 'unixepoch') AS at, length(bytes) AS bytes"
	" FROM batch b JOIN part p ON p.id = b.id >> " STR(FL_EMB_SHIFT) ";"
	"CREATE VIEW positions AS SELECT reader, stream, partition, o.next FROM position o JOIN part p ON p.id = o.part;"
	"PRAGMA application_id = " STR(APPLICATION) ";"
	"PRAGMA user_version = " STR(FL_EMB_FORMAT);

/* The entries of files that were just made have to be on the disk before the first sync promises anything. */
static int sync_dir(const char *dir, char *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 || fsync(fd) != 0 ? fl_err(err, "%s: it cannot be synced: %s", dir, strerror(errno)) : 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

static int sync_parent(const char *path, char *err)
{
	char *parent = fl_strdup(path), *slash = strrchr(parent, '/');
	if (slash)
		slash[slash == parent] = 0;
	int rc = sync_dir(slash ? parent : ".", err);
	free(parent);
	return rc;
}

static int make_dirs(const char *dir, char *err)
{
	char *path = fl_strdup(dir);
	int rc = 0;
	for (char *p = path + 1; rc == 0; p++) {
		char was = *p;
		if (was && was != '/')
			continue;
		*p = 0;
		if (mkdir(path, 0755) == 0)
			rc = sync_parent(path, err);
		else if (errno != EEXIST)
			rc = fl_err(err, "%s: the directory cannot be made: %s", path, strerror(errno));
		if (!was)
			break;
		*p = was;
	}
	free(path);
	return rc;
}

/* 1: of the known format, 0: new and empty, -1: err. Changes nothing. */
static int check_format(struct embedded *e, char *err)
{
	int64_t app, format, tables;
	if (fl_emb_number(e, "SELECT count(*) FROM sqlite_master", &tables, err) != 0 ||
	    fl_emb_number(e, "PRAGMA application_id", &app, err) != 0 ||
	    fl_emb_number(e, "PRAGMA user_version", &format, err) != 0)
		return -1;
	if (tables == 0 && app == 0 && format == 0)
		return 0;
	if (app != APPLICATION)
		return fl_err(err, "%s is a database of another program; use another --data", e->file);
	if (format != FL_EMB_FORMAT)
		return fl_err(err, "%s has format %lld, written by %s fairlead; this one reads and writes format %d: use that one, or"
		              " another --data", e->file, (long long)format, format > FL_EMB_FORMAT ? "a newer" : "an older",
		              FL_EMB_FORMAT);
	return 1;
}

/* Two processes may come here at once: the second finds it done. */
static int make_schema(struct embedded *e, char *err)
{
	int rc = -1, known;
	if (fl_emb_exec(e, e->db, "BEGIN IMMEDIATE", err) != 0)
		return -1;
	known = check_format(e, err);
	if (known == 1 || (known == 0 && fl_emb_exec(e, e->db, schema, err) == 0))
		rc = fl_emb_exec(e, e->db, "COMMIT", err);
	if (rc != 0)
		fl_emb_rollback(e);
	return rc;
}

/* FAIRLEAD_BOOT_ID stands in for a reboot in tests. */
static void boot_id(char out[64])
{
	const char *given = getenv("FAIRLEAD_BOOT_ID");
	snprintf(out, 64, "%s", given ? given : "unknown");
	int fd = given ? -1 : open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = read(fd, out, 63);
	out[n > 0 ? n : 0] = 0;
	out[strcspn(out, "\n")] = 0;
	close(fd);
}

static int skip_to_marks(struct embedded *e, const char *boot, char *err)
{
	int64_t before, after;
	char *sql = sqlite3_mprintf(
		"UPDATE part SET next = mark WHERE next < mark; INSERT INTO meta VALUES('boot', %Q)"
		" ON CONFLICT DO UPDATE SET value = excluded.value",
		boot);
	/* The end of a partition whose marks were lowered at a clean close is its mark: nothing is skipped there. */
	int rc = fl_emb_number(e,
		"SELECT count(*) FROM part p WHERE mark > max(next, ifnull((SELECT (id & 281474976710655) + n FROM batch"
		" WHERE id >= p.id << " STR(FL_EMB_SHIFT) " AND id < (p.id + 1) << " STR(FL_EMB_SHIFT)
		" ORDER BY id DESC LIMIT 1), 0))",
		&before, err);
	if (rc == 0)
		rc = fl_emb_exec(e, e->db, sql, err);
	if (rc == 0)
		rc = fl_emb_number(e, "SELECT count(*) FROM part", &after, err);
	sqlite3_free(sql);
	if (rc == 0 && before > 0)
		fl_log(FL_WARN, e->app, "the machine went down without a clean stop: commits of the last moments may be gone, and"
		       " %lld of %lld partitions go on at a higher offset so that none is given twice", (long long)before,
		       (long long)after);
	return rc;
}

static int check_boot(struct embedded *e, char *err)
{
	char boot[64];
	int64_t same = 0;
	boot_id(boot);
	char *sql = sqlite3_mprintf("SELECT count(*) FROM meta WHERE key = 'boot' AND value = %Q", boot);
	int rc = fl_emb_exec(e, e->db, "BEGIN IMMEDIATE", err);
	if (rc == 0)
		rc = fl_emb_number(e, sql, &same, err);
	if (rc == 0 && (!same || strcmp(boot, "unknown") == 0))
		rc = skip_to_marks(e, boot, err);
	if (rc == 0)
		rc = fl_emb_exec(e, e->db, "COMMIT", err);
	if (rc != 0)
		fl_emb_rollback(e);
	sqlite3_free(sql);
	return rc;
}

static int set_up(struct embedded *e, char *err)
{
	/* Debian's SQLite overwrites what it deletes with zeros unless told not to. Without cache_spill a large transaction
	 * stays in memory until its commit, and the cache is small again afterwards. */
	char *sql = fl_printf("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = 0;"
	                      "PRAGMA cache_size = -2048; PRAGMA cache_spill = 0; PRAGMA temp_store = 2;"
	                      "PRAGMA journal_size_limit = %lld",
	                      (long long)e->wal_limit);
	int rc = fl_emb_exec(e, e->db, sql, err);
	free(sql);
	return rc == 0 ? fl_emb_number(e, "PRAGMA page_size", &e->page, err) : -1;
}

/* A sender that ends has the lock for a moment too (open.c). */
static int lock_daemon(struct embedded *e, char *err)
{
	int rc = 1;
	for (int i = 0; i < 20 && rc == 1; i++) {
		if (i > 0)
			usleep(10000);
		rc = fl_emb_lock(e, err);
	}
	return rc;
}

static int open_writer(struct embedded *e, char *err)
{
	static int busy_ms = 2000;
	if (make_dirs(e->dir, err) != 0 || (e->mode == FL_STREAMS_DAEMON && lock_daemon(e, err) != 0))
		return -1;
	e->db = fl_emb_connect(e, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &busy_ms, err);
	if (!e->db)
		return -1;
	int known = check_format(e, err);
	if (known < 0)
		return -1;
	if (known == 0 && (fl_emb_exec(e, e->db, "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL", err) != 0 ||
	                   make_schema(e, err) != 0))
		return -1;
	if (set_up(e, err) != 0 || check_boot(e, err) != 0)
		return -1;
	char *wal = fl_printf("%s-wal", e->file);
	e->wal_fd = open(wal, O_RDONLY | O_CLOEXEC);
	int rc = e->wal_fd < 0 ? fl_err(err, "%s: it cannot be opened: %s", wal, strerror(errno)) : 0;
	free(wal);
	return rc == 0 ? sync_dir(e->dir, err) : -1;
}

static int open_reader(struct embedded *e, char *err)
{
	static int busy_ms = 2000;
	struct stat st;
	if (stat(e->file, &st) != 0)
		return fl_err(err, "%s: %s; there are no streams yet: has the daemon run with this --data?", e->file,
		              strerror(errno));
	/* WAL needs its two files beside it. After a clean stop they are gone, and where the directory cannot be written they
	 * cannot be made: then nobody changes the file, and it may be read as it is. */
	char *wal = fl_printf("%s-wal", e->file);
	e->immutable = access(e->dir, W_OK) != 0 && access(wal, F_OK) != 0;
	free(wal);
	e->db = fl_emb_connect(e, SQLITE_OPEN_READONLY, &busy_ms, err);
	int known = e->db ? check_format(e, err) : -1;
	return known == 0 ? fl_err(err, "%s is empty; there are no streams yet: has the daemon run with this --data?", e->file)
	                  : known < 0 ? -1 : 0;
}

int fl_emb_file_open(struct embedded *e, char *err)
{
	return e->mode == FL_STREAMS_READ ? open_reader(e, err) : open_writer(e, err);
}
