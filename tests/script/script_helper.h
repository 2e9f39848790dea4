/* A script made of a text, a task of it, and batches of events for it. For the tests of this layer. */
#ifndef TESTS_SCRIPT_HELPER_H
#define TESTS_SCRIPT_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/event/header.h"
#include "../../core/script/script.h"

#define BATCH 512

struct bed {
	char dir[64], path[96];
	const char *streams[8]; /* NULL at the end */
	struct fl_script_conf conf;
	struct fl_script *sc;
	struct fl_state *st;
	struct fl_script_task *t;
	struct fl_fields *fields;
	struct fl_events *ev;
	struct fl_buf bytes[BATCH]; /* of the records */
	struct fl_buf out;
	char err[FL_ERRLEN];
};

static inline void bed_file(struct bed *b, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", b->dir, name);
	for (char *p = path + strlen(b->dir) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(path, 0700);
		*p = '/';
	}
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static inline uint32_t bed_stream(void *arg, struct fl_str name)
{
	struct bed *b = arg;
	for (uint32_t k = 0; k < 8 && b->streams[k]; k++)
		if (fl_str_eq(name, fl_str(b->streams[k])))
			return k;
	return FL_NO_STREAM;
}

/* The script is not opened yet: conf may be changed before bed_open. */
static inline void bed_new(struct bed *b, const char *text)
{
	*b = (struct bed){0};
	snprintf(b->dir, sizeof b->dir, "/tmp/fl-script-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->path, sizeof b->path, "%s/case.lua", b->dir);
	bed_file(b, "case.lua", text);
	b->conf = (struct fl_script_conf){.path = b->path, .name = "case.lua", .lib = b->dir, .who = "test",
		.labels = "app=\"test\"",
		.stores = 1, .stream = bed_stream, .arg = b};
	b->fields = fl_fields_new();
	b->ev = fl_events_new(b->fields, &fl_codec_json, (struct fl_limits){0}, BATCH);
	b->st = fl_state_open(&(struct fl_state_conf){.who = "test"}, b->err);
	assert_non_null(b->st);
}

static inline int bed_open(struct bed *b)
{
	b->sc = fl_script_open(&b->conf, b->err);
	if (!b->sc)
		return -1;
	b->t = fl_script_task_new(b->sc, b->st, "p");
	return 0;
}

static inline void bed_up(struct bed *b, const char *text)
{
	bed_new(b, text);
	if (bed_open(b) < 0)
		fail_msg("%s", b->err);
}

static inline void bed_close(struct bed *b)
{
	char cmd[128];
	fl_script_task_free(b->t);
	fl_script_close(b->sc);
	fl_state_close(b->st);
	fl_events_free(b->ev);
	fl_fields_free(b->fields);
	for (uint32_t k = 0; k < BATCH; k++)
		fl_buf_free(&b->bytes[k]);
	fl_buf_free(&b->out);
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", b->dir);
	assert_int_equal(system(cmd), 0);
}

static inline void bed_begin(struct bed *b, const char *stream, uint32_t partition, double now)
{
	fl_events_begin(b->ev, stream, partition, now);
}

/* The record's bytes are copied, with the room behind them that decoders want. */
static inline void bed_add(struct bed *b, int64_t offset, double time, struct fl_str key, struct fl_str value,
	struct fl_str headers)
{
	struct fl_buf *bytes = &b->bytes[b->ev->b.n];
	bytes->len = 0;
	fl_buf_add(bytes, value.p, value.len);
	fl_buf_room(bytes, FL_PAD);
	memset(bytes->p + value.len, ' ', FL_PAD);
	fl_events_add(b->ev, offset, time, key, (struct fl_str){bytes->p, value.len}, headers);
}

/* A batch of n records of the same bytes through the script. */
static inline int bed_run(struct bed *b, uint32_t n, const char *json)
{
	bed_begin(b, "in", 0, 100);
	for (uint32_t k = 0; k < n; k++)
		bed_add(b, k, k, fl_str("key"), fl_str(json), (struct fl_str){0});
	fl_events_decode(b->ev);
	return fl_script_process(b->t, b->ev, b->err);
}

static inline const struct fl_why *bed_why(struct bed *b, uint32_t i)
{
	for (uint32_t k = 0; k < b->ev->whys; k++)
		if (b->ev->why[k].i == i)
			return &b->ev->why[k];
	return NULL;
}

/* The event as it stands, terminated. */
static inline const char *bed_out(struct bed *b, uint32_t i)
{
	b->out.len = 0;
	if (fl_events_encode(b->ev, i, &fl_codec_json, &b->out, b->err) < 0)
		return b->err;
	fl_buf_byte(&b->out, 0);
	return b->out.p;
}

static inline int str_has(struct fl_str s, const char *part) { return memmem(s.p, s.len, part, strlen(part)) != NULL; }

#endif
