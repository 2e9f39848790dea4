/* The checkpoint's file: opening it, reading it. Called by state.c, store.c and range.c on the owner's thread; the
 * opening also by the first checkpoint on the checkpointer's (lmdb_write.c).
 *
 * The environment has a database "meta" (format, time, the changelog position of each store) and one database
 * "s.<name>" a store. Every write is a transaction with a full sync, so that what is behind a position is on the
 * disk for sure. */
#include "lmdb_env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_MIN ((size_t)16 << 20)
#define LOCK_SIZE 16384 /* LMDB takes 8 KiB for the 126 readers that it has by default */

size_t fl_disk_map = sizeof(size_t) > 4 ? (size_t)((uint64_t)64 << 30) : (size_t)64 << 20;

static int damaged(const struct fl_disk *d, char *err, const char *what)
{
	return fl_err(err, "the state's checkpoint in %s is damaged (%s). With Kafka remove this directory, the state is built "
			"again from the changelogs; with embedded streams these begin at the checkpoint: bring back a copy of the "
			"whole data directory, or remove the app's directory in it and begin anew", d->dir, what);
}

int fl_disk_error(const struct fl_disk *d, char *err, const char *what, int rc)
{
	if (rc == MDB_INVALID || rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INCOMPATIBLE)
		return damaged(d, err, mdb_strerror(rc));
	if (rc == MDB_VERSION_MISMATCH)
		return fl_err(err, "the state's checkpoint in %s was written by another version of LMDB than this one (%s): use the "
				"one it was written with", d->dir, mdb_version(NULL, NULL, NULL));
	return fl_err(err, "can't %s the state's checkpoint in %s: %s%s", what, d->dir, mdb_strerror(rc),
			rc == EIO || rc == ENOSPC || rc == EFBIG || rc == EDQUOT ? " (is the disk full?)" : "");
}

static void path_in(char *to, size_t n, const char *dir, const char *name) { snprintf(to, n, "%s/%s", dir, name); }

/* A file without both of LMDB's first pages was never finished: no checkpoint was ever in it. */
static int is_there(const char *dir, char *err)
{
	char path[4096];
	struct stat sb;
	path_in(path, sizeof path, dir, "data.mdb");
	if (stat(path, &sb) < 0)
		return errno == ENOENT ? 0 : fl_err(err, "can't read the state's checkpoint %s: %s", path, strerror(errno));
	if (sb.st_size >= 2 * sysconf(_SC_PAGESIZE))
		return 1;
	if (unlink(path) < 0)
		return fl_err(err, "can't remove the unfinished checkpoint %s: %s", path, strerror(errno));
	return 0;
}

static int make_dirs(const char *dir, char *err)
{
	char path[4096];
	if (strlen(dir) >= sizeof path - 16)
		return fl_err(err, "the path %.200s… is too long", dir);
	strcpy(path, dir);
	for (char *p = path + 1;; p++) {
		char c = *p;
		if (c != '/' && c)
			continue;
		*p = 0;
		if (mkdir(path, 0750) < 0 && errno != EEXIST)
			return fl_err(err, "can't make the directory %s for the state's checkpoint: %s", path, strerror(errno));
		*p = c;
		if (!c)
			return 0;
	}
}

static size_t map_size(void)
{
	struct rlimit rl;
	size_t n = fl_disk_map;
	if (getrlimit(RLIMIT_AS, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY && n > rl.rlim_cur / 32)
		n = rl.rlim_cur / 32;
	return n < MAP_MIN && n < fl_disk_map ? MAP_MIN : n & ~(size_t)0xffff;
}

/* LMDB maps its lock file and writes to it right away. Where a full disk has no page for it that would end the process by
 * SIGBUS, so the pages are had beforehand, or it is an error like any other. */
static int reserve_lock(const char *dir)
{
	char path[PATH_MAX];
	struct stat sb;
	if (snprintf(path, sizeof path, "%s/lock.mdb", dir) >= (int)sizeof path)
		return ENAMETOOLONG;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return errno;
	int rc = fstat(fd, &sb) < 0 ? errno : 0;
	if (rc == 0 && sb.st_size < LOCK_SIZE)
		rc = posix_fallocate(fd, 0, LOCK_SIZE);
	close(fd);
	return rc;
}

static int env_open(struct fl_disk *d, unsigned flags)
{
	int rc = reserve_lock(d->dir);
	if (rc)
		return rc;
	for (size_t map = map_size();; map /= 2) {
		if ((rc = mdb_env_create(&d->env)))
			return rc;
		if (!(rc = mdb_env_set_maxdbs(d->env, FL_DISK_STORES + 1)) && !(rc = mdb_env_set_mapsize(d->env, map)))
			rc = mdb_env_open(d->env, d->dir, flags, 0640);
		if (rc != ENOMEM || map / 2 < MAP_MIN)
			return rc;
		mdb_env_close(d->env);
		d->env = NULL;
	}
}

/* A file that was cut off would end the process by SIGBUS where its pages are missing; zeroed pages are an error. */
static int lengthen(struct fl_disk *d)
{
	MDB_envinfo info;
	MDB_stat ms;
	struct stat sb;
	mdb_filehandle_t fd;
	int rc;
	if ((rc = mdb_env_info(d->env, &info)) || (rc = mdb_env_stat(d->env, &ms)) || (rc = mdb_env_get_fd(d->env, &fd)))
		return rc;
	off_t size = (off_t)(info.me_last_pgno + 1) * ms.ms_psize;
	if (fstat(fd, &sb) < 0)
		return errno;
	return sb.st_size < size && ftruncate(fd, size) < 0 ? errno : 0;
}

static int meta_get(MDB_txn *txn, MDB_dbi meta, const char *key, void *to, size_t n)
{
	MDB_val k = {strlen(key), (void *)key}, v;
	int rc = mdb_get(txn, meta, &k, &v);
	if (!rc && v.mv_size != n)
		rc = MDB_CORRUPTED;
	if (!rc)
		memcpy(to, v.mv_data, n);
	return rc;
}

static int read_format(struct fl_disk *d, MDB_txn *txn, MDB_dbi meta, char *err)
{
	uint32_t format;
	int rc = meta_get(txn, meta, FL_META_FORMAT, &format, sizeof format);
	if (rc)
		return damaged(d, err, rc == MDB_NOTFOUND ? "it doesn't say its format" : mdb_strerror(rc));
	if (format != FL_DISK_FORMAT)
		return fl_err(err, "the state's checkpoint in %s has format %u, this fairlead knows format %u: %s", d->dir, format,
				FL_DISK_FORMAT, format > FL_DISK_FORMAT ? "run a newer one" : "run the older one that wrote it");
	rc = meta_get(txn, meta, FL_META_TIME, &d->time, sizeof d->time);
	return rc || isnan(d->time) ? damaged(d, err, "its time can't be read") : 0;
}

static int read_store(struct fl_disk *d, MDB_txn *txn, MDB_dbi meta, const MDB_val *name, char *err)
{
	char key[FL_STORE_NAME_MAX + sizeof FL_META_POSITION];
	size_t n = name->mv_size - 2;
	if (d->stores == FL_DISK_STORES || n > FL_STORE_NAME_MAX)
		return damaged(d, err, "more or longer names than can be");
	d->known = fl_realloc(d->known, (d->stores + 1) * sizeof *d->known);
	struct fl_disk_known *k = &d->known[d->stores];
	memcpy(k->name, (const char *)name->mv_data + 2, n);
	k->name[n] = 0;
	snprintf(key, sizeof key, FL_META_POSITION "%s", k->name);
	int rc = meta_get(txn, meta, key, &k->position, sizeof k->position);
	if (rc == MDB_NOTFOUND)
		k->position = 0; /* the first checkpoint of this store was interrupted */
	else if (rc)
		return fl_disk_error(d, err, "read", rc);
	char db[FL_STORE_NAME_MAX + 3];
	fl_disk_db_name(db, k->name);
	if ((rc = mdb_dbi_open(txn, db, 0, &k->db)))
		return fl_disk_error(d, err, "read", rc);
	d->stores++;
	return 0;
}

/* All databases are opened here, once: a handle holds for the environment's life only if its transaction is
 * committed. */
static int read_stores(struct fl_disk *d, char *err)
{
	MDB_txn *txn = NULL;
	MDB_cursor *cur = NULL;
	MDB_dbi all, meta;
	MDB_val name, v;
	int rc, res = -1;
	if ((rc = mdb_txn_begin(d->env, NULL, MDB_RDONLY, &txn)) || (rc = mdb_dbi_open(txn, NULL, 0, &all)))
		goto lmdb;
	rc = mdb_dbi_open(txn, FL_META, 0, &meta);
	if (rc == MDB_NOTFOUND) { /* made, but no checkpoint came */
		res = 0;
		goto out;
	}
	if (rc)
		goto lmdb;
	if (read_format(d, txn, meta, err))
		goto out;
	if ((rc = mdb_cursor_open(txn, all, &cur)))
		goto lmdb;
	while (!(rc = mdb_cursor_get(cur, &name, &v, MDB_NEXT)))
		if (name.mv_size > 2 && !memcmp(name.mv_data, "s.", 2) && read_store(d, txn, meta, &name, err))
			goto out;
	if (rc != MDB_NOTFOUND)
		goto lmdb;
	mdb_cursor_close(cur);
	cur = NULL;
	rc = mdb_txn_commit(txn);
	txn = NULL;
	if (!rc)
		return 0;
lmdb:
	fl_disk_error(d, err, "read", rc);
out:
	if (cur)
		mdb_cursor_close(cur);
	if (txn)
		mdb_txn_abort(txn);
	return res;
}

static char *temp_dir(char *err)
{
	const char *at = getenv("TMPDIR");
	char *dir = fl_printf("%s/fairlead-XXXXXX", at && *at ? at : "/tmp");
	if (mkdtemp(dir))
		return dir;
	fl_err(err, "can't make a temporary directory %s for state that memory has no room for: %s", dir, strerror(errno));
	free(dir);
	return NULL;
}

static void remove_files(const char *dir, int whole)
{
	char path[4096];
	path_in(path, sizeof path, dir, "data.mdb");
	unlink(path);
	path_in(path, sizeof path, dir, "lock.mdb");
	unlink(path);
	if (whole)
		rmdir(dir);
}

int fl_disk_open(const char *dir, int create, struct fl_disk **out, char *err)
{
	int rc, dead, there = dir ? is_there(dir, err) : 0;
	*out = NULL;
	if (there < 0)
		return -1;
	if (!there && !create)
		return 0;
	struct fl_disk *d = fl_alloc(sizeof *d);
	d->temp = !dir;
	d->dir = dir ? fl_strdup(dir) : temp_dir(err);
	if (!d->dir || (dir && !there && make_dirs(dir, err)))
		goto fail;
	if (!(rc = env_open(d, MDB_NOTLS | (d->temp ? MDB_NOSYNC : 0))) && !(rc = mdb_reader_check(d->env, &dead)))
		rc = lengthen(d);
	if (d->temp || (rc && !there))
		remove_files(d->dir, d->temp); /* open files stay; nothing of a temporary one is left whatever ends the process */
	if (rc) {
		fl_disk_error(d, err, "open", rc);
		goto fail;
	}
	if (there && read_stores(d, err))
		goto fail;
	*out = d;
	return 0;
fail:
	fl_disk_close(d);
	return -1;
}

void fl_disk_close(struct fl_disk *d)
{
	if (!d)
		return;
	if (d->read)
		mdb_txn_abort(d->read);
	if (d->env)
		mdb_env_close(d->env);
	free(d->known);
	free(d->dir);
	free(d);
}

/* LMDB's map may only be made larger while nobody reads; and after a failed write of its first pages LMDB refuses
 * all. */
int fl_disk_refresh(struct fl_disk *d, char *err)
{
	MDB_envinfo info;
	int rc = d->panic ? MDB_PANIC : 0;
	if (d->read)
		mdb_txn_reset(d->read);
	if (!rc && d->full && !(rc = mdb_env_info(d->env, &info)))
		rc = mdb_env_set_mapsize(d->env, info.me_mapsize * 2);
	d->full = 0;
	if (!rc)
		rc = d->read ? mdb_txn_renew(d->read) : mdb_txn_begin(d->env, NULL, MDB_RDONLY, &d->read);
	if (!rc)
		return 0;
	if (d->read)
		mdb_txn_abort(d->read);
	d->read = NULL;
	return fl_disk_error(d, err, "read", rc);
}

double fl_disk_time(const struct fl_disk *d) { return d->time; }

int fl_disk_store(const struct fl_disk *d, const char *name, unsigned *db, int64_t *position)
{
	for (uint32_t i = 0; i < d->stores; i++)
		if (!strcmp(d->known[i].name, name)) {
			*db = d->known[i].db;
			*position = d->known[i].position;
			return 1;
		}
	return 0;
}

uint32_t fl_disk_stores(const struct fl_disk *d) { return d->stores; }

static uint32_t disk_key(char *to, struct fl_str key)
{
	to[0] = FL_DISK_KEY;
	if (key.len)
		memcpy(to + 1, key.p, key.len);
	return key.len + 1;
}

int fl_disk_get(struct fl_disk *d, unsigned db, struct fl_str key, struct fl_str *value, char *err)
{
	char buf[FL_DISK_KEY_ROOM];
	MDB_val k = {disk_key(buf, key), buf}, v;
	int rc = d->read ? mdb_get(d->read, db, &k, &v) : MDB_PANIC;
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc)
		return fl_disk_error(d, err, "read", rc);
	if (v.mv_size < sizeof(double) || v.mv_size > UINT32_MAX)
		return damaged(d, err, "a value without its time");
	*value = (struct fl_str){v.mv_data, (uint32_t)v.mv_size};
	return 1;
}

static int cursor_at(struct fl_disk_cursor *cur, int rc, const MDB_val *k, const MDB_val *v, char *err)
{
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc)
		return fl_disk_error(cur->d, err, "read", rc);
	if (k->mv_size < 1 || k->mv_size > FL_DISK_KEY_ROOM || v->mv_size < sizeof(double) || v->mv_size > UINT32_MAX)
		return damaged(cur->d, err, "an entry that can't be");
	cur->key = (struct fl_str){(char *)k->mv_data + 1, (uint32_t)k->mv_size - 1};
	cur->value = (struct fl_str){v->mv_data, (uint32_t)v->mv_size};
	return 1;
}

int fl_disk_cursor_begin(struct fl_disk_cursor *cur, struct fl_disk *d, unsigned db, struct fl_str from, char *err)
{
	char buf[FL_DISK_KEY_ROOM];
	*cur = (struct fl_disk_cursor){.d = d};
	if (from.len > FL_KEY_MAX)
		from.len = FL_KEY_MAX; /* no key is longer; the caller passes over the one that this may let in before from */
	MDB_val k = {disk_key(buf, from), buf}, v;
	int rc = d->read ? mdb_cursor_open(d->read, db, &cur->c) : MDB_PANIC;
	if (!rc)
		rc = mdb_cursor_get(cur->c, &k, &v, MDB_SET_RANGE);
	return cursor_at(cur, rc, &k, &v, err);
}

int fl_disk_cursor_next(struct fl_disk_cursor *cur, char *err)
{
	MDB_val k, v;
	return cursor_at(cur, mdb_cursor_get(cur->c, &k, &v, MDB_NEXT), &k, &v, err);
}

void fl_disk_cursor_end(struct fl_disk_cursor *cur)
{
	if (cur->c)
		mdb_cursor_close(cur->c);
	cur->c = NULL;
}
