/* What the tests of this layer share: a directory of their own, and short ways to call a store. */
#ifndef TESTS_STATE_TMP_H
#define TESTS_STATE_TMP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "state/state.h"

static char tmp[64];

static inline int tmp_make(void **unused)
{
	(void)unused;
	strcpy(tmp, "/tmp/fl-state-XXXXXX");
	return mkdtemp(tmp) ? 0 : -1;
}

static inline int tmp_remove(void **unused)
{
	(void)unused;
	char cmd[128];
	snprintf(cmd, sizeof cmd, "rm -rf %s", tmp);
	return system(cmd);
}

static inline const char *tmp_path(const char *name)
{
	static char path[128];
	snprintf(path, sizeof path, "%s/%s", tmp, name);
	return path;
}

static inline struct fl_state *open_state(const char *dir, size_t overlay)
{
	char err[FL_ERRLEN] = "";
	struct fl_state *st = fl_state_open(&(struct fl_state_conf){.dir = dir, .who = "test", .overlay = overlay}, err);
	if (!st)
		fail_msg("%s", err);
	return st;
}

static inline struct fl_store *open_store(struct fl_state *st, const char *name, double ttl)
{
	char err[FL_ERRLEN] = "";
	struct fl_store *s = fl_state_store(st, name, ttl, err);
	if (!s)
		fail_msg("%s", err);
	return s;
}

static inline void put(struct fl_store *s, const char *key, const char *value)
{
	fl_store_put(s, fl_str(key), fl_key_hash(fl_str(key)), value, (uint32_t)strlen(value));
}

static inline void del(struct fl_store *s, const char *key) { fl_store_del(s, fl_str(key), fl_key_hash(fl_str(key))); }

/* The value as a string that the next call overwrites; NULL: not there. */
static inline const char *get(struct fl_store *s, const char *key)
{
	static char text[8192];
	uint32_t len;
	const void *p = fl_store_get(s, fl_str(key), fl_key_hash(fl_str(key)), &len);
	if (!p)
		return NULL;
	assert_true(len < sizeof text);
	memcpy(text, p, len);
	text[len] = 0;
	return text;
}

static inline void ignore_change(void *arg, struct fl_store *s, struct fl_str key, struct fl_str value)
{
	(void)s, (void)key, (void)value;
	if (arg)
		++*(int *)arg;
}

/* How many changes were collected. */
static inline int collect(struct fl_state *st)
{
	int n = 0;
	fl_state_collect(st, ignore_change, &n);
	return n;
}

/* Collects and writes a checkpoint that stands at next. */
static inline void checkpoint(struct fl_state *st, int64_t next)
{
	char err[FL_ERRLEN] = "";
	int64_t all[8] = {next, next, next, next, next, next, next, next};
	collect(st);
	struct fl_snapshot *sn = fl_state_snapshot(st, all);
	if (!sn)
		return;
	int rc = fl_snapshot_write(sn, err);
	fl_state_settled(st, sn, rc == 0);
	if (rc)
		fail_msg("%s", err);
}

#endif
