/* Reads a conf: its text through the sandbox, what it declared through the checks, to a plan. Called on the main thread,
 * before anything starts, and by the commands that need a plan. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/log.h"
#include "private.h"

#define LARGEST ((size_t)1 << 20)

int fl_reading_fail(struct fl_reading *r, int line, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	if (r->failed)
		return -1;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	FL_ASSERT(n >= 0);
	fl_secret_mask(text); /* before it is cut, so that no part of one stays */
	for (char *p = text; *p; p++) /* a conf may raise what it likes */
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	fl_err(r->err, "%s:%d: %s", r->file, line > 0 ? line : 1, text);
	free(text);
	r->failed = 1;
	return -1;
}

static void free_reading(struct fl_reading *r)
{
	for (uint32_t i = 0; i < r->decls; i++) {
		free(r->decl[i].name);
		free(r->decl[i].stage);
		fl_value_free(&r->decl[i].opts);
	}
	free(r->decl);
	free(r->app);
	fl_value_free(&r->option);
	fl_value_free(&r->kafka);
}

struct fl_plan *fl_plan_of_text(const char *file, struct fl_str text, enum fl_depth depth, struct fl_buf *warn, char *err)
{
	struct fl_reading r = {.file = file, .text = text, .depth = depth, .err = err};
	struct fl_plan *plan = fl_alloc(sizeof *plan);
	plan->file = fl_strdup(file);
	plan->scripts = depth == FL_TEXT_ALONE ? fl_strdup("scripts") : fl_scripts_beside(file);
	int rc = fl_sandbox_run(&r);
	size_t before = warn->len;
	if (rc == 0)
		rc = fl_check_plan(&r, plan, warn);
	fl_buf_byte(warn, 0);
	fl_secret_mask(warn->p + before);
	warn->len = before + strlen(warn->p + before);
	free_reading(&r);
	if (rc == 0)
		return plan;
	fl_plan_free(plan);
	return NULL;
}

static int read_text(const char *file, struct fl_buf *to, char *err)
{
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = -1;
	if (fd < 0 || fstat(fd, &st) != 0) {
		fl_err(err, "%s can't be read: %s", file, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		fl_err(err, "%s is not a file; give the path of a conf, such as conf/yacht.lua", file);
		goto out;
	}
	for (ssize_t n = 1; n > 0 && to->len <= LARGEST; to->len += (size_t)n) {
		n = read(fd, fl_buf_room(to, 65536), 65536);
		if (n < 0) {
			fl_err(err, "%s can't be read: %s", file, strerror(errno));
			goto out;
		}
	}
	rc = to->len <= LARGEST ? 0 : fl_err(err, "%s has more than 1 MiB, so it is no conf", file);
out:
	if (fd >= 0)
		close(fd);
	return rc;
}

static struct fl_plan *read_plan(const char *file, enum fl_depth depth, struct fl_buf *warn, char *err)
{
	struct fl_buf text = {0};
	struct fl_plan *plan = NULL;
	if (read_text(file, &text, err) == 0)
		plan = fl_plan_of_text(file, (struct fl_str){text.p, (uint32_t)text.len}, depth, warn, err);
	fl_buf_free(&text);
	return plan;
}

struct fl_plan *fl_plan_read(const char *file, struct fl_buf *warn, char *err) { return read_plan(file, FL_WITH_STAGES, warn, err); }

struct fl_plan *fl_plan_look(const char *file, char *err)
{
	struct fl_buf warn = {0};
	struct fl_plan *plan = read_plan(file, FL_CONF_ALONE, &warn, err);
	fl_buf_free(&warn);
	return plan;
}

static void free_flow(struct fl_plan_flow *flow)
{
	for (uint32_t i = 0; i < flow->stages; i++) {
		struct fl_plan_stage *st = &flow->stage[i];
		free(st->name);
		free(st->id);
		free(st->path);
		free(st->root);
		fl_value_free(&st->opts);
		fl_module_unref(st->module);
	}
	free(flow->stage);
	free(flow->name);
	fl_value_free(&flow->opts);
}

void fl_plan_free(struct fl_plan *plan)
{
	if (!plan)
		return;
	for (uint32_t i = 0; i < plan->streams; i++) {
		free(plan->stream[i].name);
		free(plan->stream[i].key);
		free(plan->stream[i].time.field);
		free(plan->stream[i].time.format);
	}
	for (uint32_t i = 0; i < plan->flows; i++)
		free_flow(&plan->flow[i]);
	free(plan->stream);
	free(plan->flow);
	free(plan->app);
	free(plan->file);
	free(plan->scripts);
	fl_value_free(&plan->kafka);
	fl_value_free(&plan->option);
	free(plan);
}

uint32_t fl_plan_stream_find(const struct fl_plan *plan, struct fl_str name)
{
	for (uint32_t i = 0; i < plan->streams; i++)
		if (fl_str_eq(fl_str(plan->stream[i].name), name))
			return i;
	return FL_NO_STREAM;
}

const struct fl_plan_flow *fl_plan_flow_find(const struct fl_plan *plan, const char *name)
{
	for (uint32_t i = 0; i < plan->flows; i++)
		if (strcmp(plan->flow[i].name, name) == 0)
			return &plan->flow[i];
	return NULL;
}
