/* Writing a checkpoint. Runs on the checkpointer's thread while the owner reads the environment as it was. */
#include "lmdb_env.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

/* Entries of one LMDB transaction: it keeps each page that it changes in memory, and the memory afterwards. */
#define CHUNK 16384u

static int by_place(const void *pa, const void *pb)
{
	const struct fl_disk_item *a = pa, *b = pb;
	if (a->target != b->target)
		return a->target < b->target ? -1 : 1;
	uint32_t n = a->key_len < b->key_len ? a->key_len : b->key_len;
	int c = memcmp(a->key, b->key, n);
	return c ? c : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

static int put_meta(MDB_txn *txn, MDB_dbi meta, const char *key, const void *value, size_t n)
{
	MDB_val k = {strlen(key), (void *)key}, v = {n, (void *)value};
	return mdb_put(txn, meta, &k, &v, 0);
}

static int put_items(MDB_txn *txn, const struct fl_disk_target *target, const struct fl_disk_item *item, uint32_t items)
{
	for (uint32_t i = 0; i < items; i++) {
		const struct fl_disk_item *it = &item[i];
		MDB_val k = {it->key_len, (void *)it->key}, v = {it->len, (void *)it->value};
		int rc = it->value ? mdb_put(txn, target[it->target].db, &k, &v, 0) : mdb_del(txn, target[it->target].db, &k, NULL);
		if (rc && rc != MDB_NOTFOUND)
			return rc;
	}
	return 0;
}

static int put_positions(MDB_txn *txn, MDB_dbi meta, const struct fl_disk_target *target, uint32_t targets, double time)
{
	char key[FL_STORE_NAME_MAX + sizeof FL_META_POSITION];
	int rc = put_meta(txn, meta, FL_META_TIME, &time, sizeof time);
	for (uint32_t i = 0; !rc && i < targets; i++) {
		snprintf(key, sizeof key, FL_META_POSITION "%s", target[i].name);
		rc = put_meta(txn, meta, key, &target[i].next, sizeof target[i].next);
	}
	return rc;
}

/* The first one makes the databases; opening one that is open costs a comparison of names. */
static int open_all(MDB_txn *txn, MDB_dbi *meta, struct fl_disk_target *target, uint32_t targets)
{
	char name[FL_STORE_NAME_MAX + 3];
	uint32_t format = FL_DISK_FORMAT;
	double none = 0;
	int rc = mdb_dbi_open(txn, FL_META, 0, meta);
	if (rc == MDB_NOTFOUND && !(rc = mdb_dbi_open(txn, FL_META, MDB_CREATE, meta)) &&
			!(rc = put_meta(txn, *meta, FL_META_FORMAT, &format, sizeof format)))
		rc = put_meta(txn, *meta, FL_META_TIME, &none, sizeof none);
	for (uint32_t i = 0; !rc && i < targets; i++) {
		fl_disk_db_name(name, target[i].name);
		rc = mdb_dbi_open(txn, name, MDB_CREATE, &target[i].db);
	}
	return rc;
}

/* A file is safe only once the directories that lead to it are: LMDB syncs the file alone. */
static int sync_path(const char *dir)
{
	char *path = fl_strdup(dir), *at = path;
	int rc = 0;
	for (int last = 0; !last && !rc; at = dirname(at)) {
		int fd = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		last = !strcmp(at, "/") || !strcmp(at, ".");
		if (fd < 0)
			continue; /* a parent that may not be read is not ours, and was there before */
		if (fsync(fd) < 0 && errno != EINVAL && errno != EROFS)
			rc = errno;
		close(fd);
	}
	free(path);
	return rc;
}

static int write_all(struct fl_disk *d, struct fl_disk_target *target, uint32_t targets,
		const struct fl_disk_item *item, uint32_t items, double time)
{
	for (uint32_t at = 0, n;; at += n) {
		MDB_txn *txn;
		MDB_dbi meta;
		n = items - at < CHUNK ? items - at : CHUNK;
		int last = at + n == items;
		int rc = mdb_txn_begin(d->env, NULL, 0, &txn);
		if (rc)
			return rc;
		if ((rc = open_all(txn, &meta, target, targets)) || (rc = put_items(txn, target, item + at, n)) ||
				(last && (rc = put_positions(txn, meta, target, targets, time)))) {
			mdb_txn_abort(txn);
			return rc;
		}
		if ((rc = mdb_txn_commit(txn)) || last)
			return rc;
	}
}

int fl_disk_write(struct fl_disk *d, struct fl_disk_target *target, uint32_t targets, struct fl_disk_item *item,
		uint32_t items, double time, char *err)
{
	qsort(item, items, sizeof *item, by_place);
	int rc = write_all(d, target, targets, item, items, time);
	if (!rc && !d->temp && !d->rooted && !(rc = sync_path(d->dir)))
		d->rooted = 1;
	if (!rc)
		return 0;
	d->full = rc == MDB_MAP_FULL;
	d->panic = rc == MDB_PANIC;
	return fl_disk_error(d, err, "write", rc);
}
