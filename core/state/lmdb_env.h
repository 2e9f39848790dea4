/* What lmdb.c (opening, reading) and lmdb_write.c share of an environment. */
#ifndef FL_STATE_LMDB_ENV_H
#define FL_STATE_LMDB_ENV_H

#include <lmdb.h>
#include <stdio.h>

#include "disk.h"

#define FL_DISK_FORMAT 1u
#define FL_META "meta"
#define FL_META_FORMAT "format"
#define FL_META_TIME "time"
#define FL_META_POSITION "position."

struct fl_disk_known {
	char name[FL_STORE_NAME_MAX + 1];
	MDB_dbi db;
	int64_t position;
};

struct fl_disk {
	MDB_env *env;
	MDB_txn *read; /* the owner's */
	char *dir;
	int temp;
	int rooted;      /* the names of its files and directories are synced too */
	int full, panic; /* left by a write for the owner's next refresh */
	double time;
	uint32_t stores;
	struct fl_disk_known *known; /* as found at the opening */
};

/* Puts a whole sentence into err and returns -1. */
int fl_disk_error(const struct fl_disk *d, char *err, const char *what, int rc);

static inline void fl_disk_db_name(char to[FL_STORE_NAME_MAX + 3], const char *store)
{
	snprintf(to, FL_STORE_NAME_MAX + 3, "s.%s", store);
}

#endif
