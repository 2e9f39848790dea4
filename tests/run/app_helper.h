/* A small app in a temporary directory: files written, conf read, app run until it is idle, streams read back. */
#ifndef FL_TESTS_APP_HELPER_H
#define FL_TESTS_APP_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "event/header.h"
#include "plan/plan.h"
#include "run/app.h"

struct world {
	char dir[64];
	char data[96];
	struct fl_plan *plan;
	struct fl_app *app;
};

static inline void put(struct world *w, const char *name, const char *text)
{
	char path[256], tmp[270];
	snprintf(path, sizeof path, "%s/%s", w->dir, name);
	snprintf(tmp, sizeof tmp, "%s.new", path);
	FILE *f = fopen(tmp, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(tmp, path), 0);
}

static inline int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	strcpy(w->dir, "/tmp/fl-run-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->data, sizeof w->data, "%s/var", w->dir);
	const char *sub[] = {"conf", "scripts", "scripts/transforms", "scripts/lib", "scripts/generators", "plugins"};
	for (size_t k = 0; k < sizeof sub / sizeof *sub; k++) {
		char path[256];
		snprintf(path, sizeof path, "%s/%s", w->dir, sub[k]);
		assert_int_equal(mkdir(path, 0777), 0);
	}
	char own[128];
	snprintf(own, sizeof own, "%s/plugins", w->dir);
	fl_plugin_dirs((const char *const[]){own, BUILD "/plugins"}, 2);
	fl_log_setup(0, FL_ERROR);
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;
	char cmd[128];
	if (w->app)
		fl_app_close(w->app);
	if (w->plan)
		fl_plan_free(w->plan);
	snprintf(cmd, sizeof cmd, "rm -rf %s", w->dir);
	if (system(cmd) != 0)
		fprintf(stderr, "%s is left over\n", w->dir);
	free(w);
	return 0;
}

static inline void start(struct world *w, const char *conf, uint32_t workers)
{
	char path[128], err[FL_ERRLEN] = "";
	struct fl_buf warn = {0};
	put(w, "conf/t.lua", conf);
	snprintf(path, sizeof path, "%s/conf/t.lua", w->dir);
	w->plan = fl_plan_read(path, &warn, err);
	fl_buf_free(&warn);
	if (!w->plan)
		fail_msg("%s", err);
	w->app = fl_app_open(w->plan, &(struct fl_app_conf){.data = w->data, .workers = workers}, err);
	if (!w->app)
		fail_msg("%s", err);
	fl_app_start(w->app);
}

/* Until the sources have ended and all is processed; 30 s at most. */
static inline void until_idle(struct world *w)
{
	double end = fl_monotonic() + 30;
	while (!fl_app_idle(w->app)) {
		assert_true(fl_monotonic() < end);
		usleep(2000);
	}
}

static inline void stop(struct world *w)
{
	fl_app_ask_stop(w->app);
	fl_app_close(w->app);
	fl_plan_free(w->plan);
	w->app = NULL;
	w->plan = NULL;
}

/* All values of one partition of a stream, one a line; to be freed. If headers is not NULL, those of the last record. */
static inline char *values(struct world *w, const char *stream, uint32_t part, struct fl_buf *headers)
{
	char err[FL_ERRLEN] = "";
	struct fl_buf b = {0};
	struct fl_streams *st = w->app->streams;
	uint32_t s = fl_plan_stream_find(w->plan, fl_str(stream));
	assert_int_not_equal(s, FL_NO_STREAM);
	struct fl_reader *r = st->ops->reader(st, err);
	assert_non_null(r);
	int64_t first, end;
	assert_int_equal(st->ops->bounds(st, (uint32_t)w->app->stream_of[s], part, &first, &end, err), 0);
	end = st->ops->end(st, (uint32_t)w->app->stream_of[s], part); /* not in the gap that a power cut leaves */
	for (int64_t at = first; at < end;) {
		struct fl_segment *seg;
		struct fl_record rec;
		size_t pos = 0;
		assert_int_equal(st->ops->read(r, (uint32_t)w->app->stream_of[s], part, at, &seg, err), 1);
		while (fl_segment_next(seg, &pos, &rec) > 0) {
			fl_buf_add(&b, rec.value.p, rec.value.len);
			fl_buf_byte(&b, '\n');
			if (headers) {
				headers->len = 0;
				fl_buf_add(headers, rec.headers.p, rec.headers.len);
			}
		}
		at = seg->base + seg->n;
		fl_segment_unref(seg);
	}
	st->ops->reader_close(r);
	fl_buf_byte(&b, 0);
	return b.p;
}

static inline void expect_values(struct world *w, const char *stream, uint32_t part, const char *expected)
{
	char *got = values(w, stream, part, NULL);
	assert_string_equal(got, expected);
	free(got);
}

static inline void expect_header(const struct fl_buf *h, const char *name, const char *value)
{
	struct fl_str v = fl_header_find((struct fl_str){h->p, (uint32_t)h->len}, fl_str(name));
	assert_non_null(v.p);
	assert_true(v.len >= strlen(value) && memcmp(v.p, value, strlen(value)) == 0);
}

#endif
