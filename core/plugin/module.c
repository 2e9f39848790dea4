/* Libraries: found by name in the plugin directories, loaded, checked, counted. Called at start, by checks, and by a
 * reload beside the running ones; any thread. */
#include <dirent.h>
#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/unit.h"
#include "private.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEP_LOADED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KEEP_LOADED 1
#endif
#endif
#ifndef KEEP_LOADED
#define KEEP_LOADED 0
#endif

static char **dir; /* set before threads start */
static uint32_t dirs;

void fl_plugin_dirs(const char *const *names, uint32_t n)
{
	for (uint32_t i = 0; i < dirs; i++)
		free(dir[i]);
	free(dir);
	dir = fl_alloc((n ? n : 1) * sizeof *dir);
	for (dirs = 0; dirs < n; dirs++)
		dir[dirs] = fl_strdup(names[dirs]);
}

static const struct fl_plugin *symbol(void *handle, size_t *size)
{
	Dl_info info;
	const ElfW(Sym) *sym = NULL;
	void *p = dlsym(handle, "fl_plugin");
	if (!p || !dladdr1(p, &info, (void **)&sym, RTLD_DL_SYMENT) || !sym || ELF64_ST_TYPE(sym->st_info) != STT_OBJECT)
		return NULL;
	*size = sym->st_size;
	return p;
}

struct fl_module *fl_module_load_file(const char *path, char *err)
{
	struct fl_module *m = fl_alloc(sizeof *m);
	char name[64];
	m->path = fl_strdup(path);
	m->refs = 1;
	m->fd = fl_module_copy(path, err);
	if (m->fd < 0)
		goto out;
	snprintf(name, sizeof name, "/proc/self/fd/%d", m->fd);
	m->handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!m->handle) {
		const char *why = dlerror();
		size_t n = strlen(name);
		if (strncmp(why, name, n) == 0 && why[n] == ':')
			why += n + 2;
		fl_err(err, "%s can't be loaded: %s; link it with the libraries that it uses", path, why);
		goto out;
	}
	size_t size = 0;
	const struct fl_plugin *pl = symbol(m->handle, &size);
	if (!pl) {
		fl_err(err,
		       "%s exports no fl_plugin: a plugin ends with `const struct fl_plugin fl_plugin = { … }` (ABI %u.%u)",
		       path, FL_ABI_MAJOR, FL_ABI_MINOR);
		goto out;
	}
	if (fl_module_check(pl, size, path, err) != 0)
		goto out;
	struct fl_plugin *copy = fl_alloc(sizeof *copy);
	memcpy(copy, pl, pl->size);
	m->plugin = copy;
	return m;
out:
	fl_module_unref(m);
	return NULL;
}

struct fl_module *fl_module_ref(struct fl_module *m)
{
	atomic_fetch_add(&m->refs, 1);
	return m;
}

void fl_module_unref(struct fl_module *m)
{
	if (!m || atomic_fetch_sub(&m->refs, 1) != 1)
		return;
	if (m->handle && !KEEP_LOADED)
		dlclose(m->handle);
	if (m->fd >= 0 && !(m->handle && KEEP_LOADED))
		close(m->fd);
	free((void *)m->plugin);
	free(m->path);
	free(m);
}

static void say_unknown(const char *name, char *err)
{
	struct fl_buf where = {0};
	uint32_t n;
	char **names = fl_plugin_names(&n);
	const char *near = fl_nearest(name, (const char *const *)names, n);
	for (uint32_t i = 0; i < dirs; i++)
		fl_buf_printf(&where, "%s%s", i ? ", " : "", dir[i]);
	fl_err(err, "there is no plugin \"%.200s\" in %.300s%s%s%s", name,
	       where.len ? where.p : "any directory, for none is set", near ? "; did you mean \"" : "", near ? near : "",
	       near ? "\"?" : "");
	fl_buf_free(&where);
	free(names);
}

struct fl_module *fl_module_load(const char *name, char *err)
{
	for (uint32_t i = 0; i < dirs && !strchr(name, '/'); i++) {
		char *path = fl_printf("%s/%s.so", dir[i], name);
		struct fl_module *m = NULL;
		int there = access(path, F_OK) == 0;
		if (there)
			m = fl_module_load_file(path, err);
		free(path);
		if (there)
			return m;
	}
	say_unknown(name, err);
	return NULL;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Adds the stems of a directory's .so files, each with its end. */
static uint32_t list(const char *path, struct fl_buf *texts)
{
	uint32_t n = 0;
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		size_t len = strlen(e->d_name);
		if (len <= 3 || e->d_name[0] == '.' || strcmp(e->d_name + len - 3, ".so") != 0)
			continue;
		fl_buf_add(texts, e->d_name, len - 3);
		fl_buf_byte(texts, 0);
		n++;
	}
	if (d)
		closedir(d);
	return n;
}

char **fl_plugin_names(uint32_t *n)
{
	struct fl_buf texts = {0};
	uint32_t found = 0;
	for (uint32_t i = 0; i < dirs; i++)
		found += list(dir[i], &texts);
	char **names = fl_alloc((found + 1) * sizeof *names + texts.len);
	char *p = (char *)(names + found + 1);
	if (texts.len)
		memcpy(p, texts.p, texts.len);
	fl_buf_free(&texts);
	for (uint32_t i = 0; i < found; i++, p += strlen(p) + 1)
		names[i] = p;
	qsort(names, found, sizeof *names, by_text);
	*n = 0;
	for (uint32_t i = 0; i < found; i++)
		if (!*n || strcmp(names[*n - 1], names[i]) != 0)
			names[(*n)++] = names[i];
	names[*n] = NULL;
	return names;
}
