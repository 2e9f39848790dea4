/* Script files as far as a plan goes: where they are, and whether they compile; running them comes later. Called by the
 * check, on the main thread. */
#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/unit.h"
#include "private.h"

#define MOST_FILES 1000

static char **dir; /* set before threads start */
static uint32_t dirs;

void fl_plan_dirs(const char *const *names, uint32_t n)
{
	for (uint32_t i = 0; i < dirs; i++)
		free(dir[i]);
	free(dir);
	dir = fl_alloc((n ? n : 1) * sizeof *dir);
	for (dirs = 0; dirs < n; dirs++)
		dir[dirs] = fl_strdup(names[dirs]);
}

static int is_dir(const char *path, struct stat *st) { return stat(path, st) == 0 && S_ISDIR(st->st_mode); }

static int is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* "conf/../scripts" is shown as "scripts", if that is the same directory: conf may be a symbolic link. */
char *fl_scripts_beside(const char *conf)
{
	const char *slash = strrchr(conf, '/');
	int len = slash ? (int)(slash - conf) : 0;
	char *exact = len ? fl_printf("%.*s/../scripts", len, conf) : fl_strdup(slash ? "/scripts" : "../scripts");
	while (len && conf[len - 1] != '/')
		len--;
	char *nice = slash && slash != conf ? fl_printf("%.*sscripts", len, conf) : fl_strdup(exact);
	struct stat a, b;
	int has_exact = is_dir(exact, &a);
	int is_same = has_exact && is_dir(nice, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
	char *to = is_same ? fl_strdup(nice) : fl_strdup(!has_exact && dirs ? dir[0] : exact);
	free(exact);
	free(nice);
	return to;
}

/* The .lua files below root/sub, as names relative to root, each with its end. */
static void list(const char *root, const char *sub, int depth, struct fl_buf *names, uint32_t *n)
{
	char *path = fl_printf("%s/%s", root, sub);
	DIR *d = opendir(path);
	for (struct dirent *e; d && depth && (e = readdir(d)) && *n < MOST_FILES;) {
		struct stat st;
		if (e->d_name[0] == '.')
			continue;
		char *name = fl_printf("%s%s%s", sub, sub[0] ? "/" : "", e->d_name), *full = fl_printf("%s/%s", root, name);
		size_t len = strlen(name);
		if (is_dir(full, &st)) {
			list(root, name, depth - 1, names, n);
		} else if (len > 4 && strcmp(name + len - 4, ".lua") == 0) {
			fl_buf_add(names, name, len + 1);
			++*n;
		}
		free(full);
		free(name);
	}
	if (d)
		closedir(d);
	free(path);
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void say_unknown(struct fl_reading *r, const struct fl_plan *plan, const char *name, int line)
{
	struct fl_buf names = {0}, where = {0};
	uint32_t n = 0, at = 0;
	list(plan->scripts, "", 4, &names, &n);
	fl_buf_printf(&where, "%s", plan->scripts);
	for (uint32_t i = 0; i < dirs; i++) {
		list(dir[i], "", 4, &names, &n);
		if (strcmp(dir[i], plan->scripts) != 0)
			fl_buf_printf(&where, ", %s", dir[i]);
	}
	const char **each = fl_alloc((n + 1) * sizeof *each);
	for (const char *p = names.p; at < n; p += strlen(p) + 1)
		each[at++] = p;
	qsort(each, n, sizeof *each, by_text);
	const char *near = fl_nearest(name, each, n);
	for (uint32_t i = 0; i < n && !near; i++) { /* the right name, in another directory */
		const char *a = strrchr(each[i], '/'), *b = strrchr(name, '/');
		if (strcmp(a ? a + 1 : each[i], b ? b + 1 : name) == 0)
			near = each[i];
	}
	fl_reading_fail(r, line, "there is no script \"%s\" in %.250s%s%s%s", name, where.p,
	                near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	free(each);
	fl_buf_free(&names);
	fl_buf_free(&where);
}

char *fl_script_find(struct fl_reading *r, const struct fl_plan *plan, const char *name, int line, char **root)
{
	for (uint32_t i = 0; i <= dirs; i++) {
		const char *from = i == 0 ? plan->scripts : dir[i - 1];
		char *path = name[0] == '/' ? fl_strdup(name) : fl_printf("%s/%s", from, name);
		if (is_file(path)) {
			*root = fl_strdup(from);
			return path;
		}
		free(path);
	}
	say_unknown(r, plan, name, line);
	return NULL;
}

/* The whole file, NULL where it can't be read. */
static char *read_whole(const char *path, size_t *len)
{
	struct fl_buf b = {0};
	FILE *f = fopen(path, "re");
	if (!f)
		return NULL;
	for (size_t n = 1; n && b.len < ((size_t)16 << 20);) {
		n = fread(fl_buf_room(&b, 65536), 1, 65536, f);
		b.len += n;
	}
	int failed = ferror(f);
	fclose(f);
	fl_buf_byte(&b, 0);
	*len = b.len - 1;
	if (failed)
		fl_buf_free(&b);
	return b.p;
}

int fl_script_compiles(const char *path, const char *name, char *err)
{
	size_t len;
	char *text = read_whole(path, &len);
	if (!text)
		return fl_err(err, "%s can't be read: %s", path, strerror(errno));
	lua_State *L = luaL_newstate();
	FL_ASSERT(L);
	luaL_openlibs(L); /* nothing is run; but a literal like 3LL damages a state in which ffi is not open */
	int skip = 0; /* a first line with # is for a shell; its line end stays */
	if (text[0] == '#')
		skip = (int)strcspn(text, "\n");
	int rc = luaL_loadbufferx(L, text + skip, len - (size_t)skip, "=s", "t");
	if (rc != 0) {
		const char *msg = lua_tostring(L, -1);
		fl_err(err, "%s%s", name, msg && strncmp(msg, "s:", 2) == 0 ? msg + 1 : ": it is not a Lua text");
	}
	lua_close(L);
	free(text);
	return rc ? -1 : 0;
}

int fl_script_mentions(const char *path, const char *text)
{
	size_t len, n = strlen(text);
	char *all = read_whole(path, &len);
	int found = 0;
	for (const char *p = all; p && !found && (p = strstr(p, text)); p += n)
		found = p > all && (p[-1] == '"' || p[-1] == '\'') && p[n] == p[-1];
	free(all);
	return found;
}
