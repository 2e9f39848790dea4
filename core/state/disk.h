/* The checkpoint of one task on the disk: an LMDB environment with a database a store, and one that says what the
 * others are. lmdb.c is all that knows LMDB. The owner's thread reads (one read transaction, renewed after each
 * write), and one other thread at a time writes. */
#ifndef FL_STATE_DISK_H
#define FL_STATE_DISK_H

#include "../base/buf.h"

struct fl_disk;
struct MDB_cursor;

/* What a store's entry on the disk begins with, so that an empty key is one too: LMDB takes none. */
#define FL_DISK_KEY 'k'
#define FL_DISK_KEY_ROOM (FL_KEY_MAX + 1)

#define FL_STORE_NAME_MAX 200
#define FL_DISK_STORES 126 /* that one task may have, those of stages that are gone included */

extern size_t fl_disk_map; /* address space for one environment, doubled when it is full; tests make it small */

/* dir NULL: a temporary one that is gone with the process. 0 and *out NULL where create is 0 and nothing was ever
 * written there. The returned disk has no read transaction yet: fl_disk_refresh. Any thread. */
int fl_disk_open(const char *dir, int create, struct fl_disk **out, char *err);
void fl_disk_close(struct fl_disk *d); /* NULL is fine */

/* The rest is the owner's, but for fl_disk_write. */
int fl_disk_refresh(struct fl_disk *d, char *err); /* reads see the last write; -1: nothing can be read any more */
double fl_disk_time(const struct fl_disk *d);      /* the event time that was written last, as found at the opening */
uint32_t fl_disk_stores(const struct fl_disk *d);
/* A store as it was found at the opening: 1, or 0 where there is none of that name. */
int fl_disk_store(const struct fl_disk *d, const char *name, unsigned *db, int64_t *position);
/* 1: *value, good until the next refresh; 0: not there; -1 and err. */
int fl_disk_get(struct fl_disk *d, unsigned db, struct fl_str key, struct fl_str *value, char *err);

/* Entries in byte order, from a key on. begin and next: 1 with key and value set, 0 at the end, -1 and err. */
struct fl_disk_cursor {
	struct fl_disk *d;
	struct MDB_cursor *c;
	struct fl_str key, value; /* good until the next refresh */
};
int fl_disk_cursor_begin(struct fl_disk_cursor *cur, struct fl_disk *d, unsigned db, struct fl_str from, char *err);
int fl_disk_cursor_next(struct fl_disk_cursor *cur, char *err);
void fl_disk_cursor_end(struct fl_disk_cursor *cur);

struct fl_disk_target {
	const char *name;
	int64_t next; /* the changelog position that goes in with the entries */
	unsigned db;  /* [out] */
};
struct fl_disk_item {
	uint32_t target, key_len, len;
	const char *key;   /* begins with FL_DISK_KEY */
	const char *value; /* NULL: deleted */
};
/* Puts the items in (sorts them), and at the very end positions and time, synced. Interrupted at any instant the disk
 * holds the old positions with some of the new values: the changelog from there leads to the same end. */
int fl_disk_write(struct fl_disk *d, struct fl_disk_target *target, uint32_t targets, struct fl_disk_item *item,
		uint32_t items, double time, char *err);

#endif
