/* What the verbs share. Main thread. */
#include "common.h"

#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/log.h"
#include "../base/unit.h"

static void say(const char *fmt, va_list ap)
{
	char text[2 * FL_ERRLEN];
	vsnprintf(text, sizeof text, fmt, ap);
	fl_secret_mask(text);
	fprintf(stderr, "fairlead: %s\n", text);
}

int fl_cli_fail(int status, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return status;
}

int fl_cli_misused(const char *verb, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fprintf(stderr, "`fairlead %s --help` shows how it is used.\n", verb);
	return 2;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static char *exe_dir(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	if (n <= 0)
		return fl_strdup(".");
	path[n] = 0;
	return fl_strdup(dirname(path));
}

void fl_cli_dirs(const char *conf)
{
	char *copy = fl_strdup(conf ? conf : "conf/none"), *exe = exe_dir();
	char *beside = dirname(copy);
	char *plugins[3] = {fl_printf("%s/../plugins", beside), fl_printf("%s/plugins", exe), fl_printf("%s/../lib/fairlead/plugins", exe)};
	char *scripts[2] = {fl_printf("%s/../scripts", exe), fl_printf("%s/../share/fairlead/scripts", exe)};
	fl_plugin_dirs((const char *const *)plugins, 3);
	fl_plan_dirs((const char *const *)scripts, 2);
	for (int k = 0; k < 3; k++)
		free(plugins[k]);
	for (int k = 0; k < 2; k++)
		free(scripts[k]);
	free(copy);
	free(exe);
}

char *fl_cli_include(void)
{
	char *exe = exe_dir();
	char *dir = fl_printf("%s/../include", exe), *header = fl_printf("%s/fairlead.h", dir);
	if (access(header, R_OK) != 0) { /* not installed: a checkout, with the binary in build/ */
		free(dir);
		dir = fl_printf("%s/../core", exe);
	}
	free(header);
	free(exe);
	char *real = realpath(dir, NULL);
	if (!real)
		return dir;
	free(dir);
	return real;
}

struct fl_plan *fl_cli_plan(const char *file, int warnings)
{
	char err[FL_ERRLEN];
	struct fl_buf warn = {0};
	fl_cli_dirs(file);
	struct fl_plan *plan = fl_plan_read(file, &warn, err);
	if (!plan)
		fl_cli_fail(2, "%s", err);
	else if (warnings)
		fwrite(warn.p, 1, warn.len, stderr);
	fl_buf_free(&warn);
	return plan;
}

struct fl_plan *fl_cli_look(const char *file)
{
	char err[FL_ERRLEN];
	struct fl_plan *plan = fl_plan_look(file, err);
	if (!plan)
		fl_cli_fail(2, "%s", err);
	return plan;
}

int fl_cli_new_app(struct fl_plan *const *plan, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		if (strcmp(plan[k]->app, plan[n]->app) == 0)
			return fl_cli_fail(0, "%s is app \"%s\", and so is %s: one daemon runs an app once, so give one another name",
					   plan[n]->file, plan[n]->app, plan[k]->file);
	return 1;
}

/* ---- streams --------------------------------------------------------------------------------------------------- */

struct fl_streams *fl_cli_streams(const struct fl_plan *plan, const char *data, enum fl_streams_mode mode)
{
	char err[FL_ERRLEN];
	char *dir = fl_printf("%s/%s", data, plan->app);
	struct fl_streams *st = NULL;
	if (access(dir, F_OK) != 0)
		fl_cli_fail(1, "%s does not exist: app \"%s\" has not run with --data %s yet (fairlead run %s)", dir, plan->app, data, plan->file);
	else if (!(st = fl_embedded_open(&(struct fl_streams_conf){.dir = dir, .app = plan->app, .mode = mode}, err)))
		fl_cli_fail(1, "%s", err);
	free(dir);
	return st;
}

uint32_t fl_cli_stream(const struct fl_plan *plan, const char *name)
{
	uint32_t s = fl_plan_stream_find(plan, fl_str(name));
	if (s != FL_NO_STREAM)
		return s;
	const char **names = fl_alloc(plan->streams * sizeof *names);
	struct fl_buf all = {0};
	for (uint32_t k = 0; k < plan->streams; k++) {
		names[k] = plan->stream[k].name;
		fl_buf_printf(&all, "%s%s", k ? ", " : "", names[k]);
	}
	const char *near = fl_nearest(name, names, plan->streams);
	fl_cli_fail(2, "%s has no stream \"%s\" (it has %.*s)%s%s%s", plan->file, name, (int)all.len, all.p,
		    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	fl_buf_free(&all);
	free(names);
	return FL_NO_STREAM;
}

long long fl_cli_number(const char *text)
{
	char *end;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	return errno || *text < '0' || *text > '9' || *end ? -1 : v;
}
