/* Whether a library's fl_plugin is one that this host can call: version, size, kind, functions and option table, never
 * reading past what it exports. Called by module.c before anything else of it is used. */
#include <stdlib.h>
#include <string.h>

#include "private.h"

#define SIZE_1_0 \
	(offsetof(struct fl_plugin, migrate) + sizeof(void *)) /* the shortest that any host of major 1 reads */
#define MOST_OPTIONS 256

static int check_version(const struct fl_plugin *pl, const char *path, char *err)
{
	uint32_t major = pl->abi >> 16, minor = pl->abi & 0xffff;
	if (major != FL_ABI_MAJOR)
		return fl_err(
			err,
			"%s is built for plugin ABI %u.%u and this fairlead has %u.%u: build it again with this fairlead's "
			"fairlead.h, or use a fairlead of ABI %u",
			path, major, minor, FL_ABI_MAJOR, FL_ABI_MINOR, major);
	if (minor > FL_ABI_MINOR)
		return fl_err(
			err,
			"%s is built for plugin ABI %u.%u and this fairlead has %u.%u: install a newer fairlead, or build it "
			"again with this fairlead's fairlead.h",
			path, major, minor, FL_ABI_MAJOR, FL_ABI_MINOR);
	return 0;
}

static int check_size(const struct fl_plugin *pl, size_t exported, const char *path, char *err)
{
	if (pl->size >= SIZE_1_0 && pl->size <= sizeof(struct fl_plugin) && pl->size <= exported)
		return 0;
	return fl_err(err,
	              "the fl_plugin of %s says that it has %u bytes (the library has %zu of it), but one of ABI %u.%u has "
	              "%zu to %zu: "
	              "set .size = sizeof(struct fl_plugin) and build it again with fairlead.h of ABI %u.%u",
	              path, pl->size, exported, pl->abi >> 16, pl->abi & 0xffff, SIZE_1_0, sizeof(struct fl_plugin),
	              FL_ABI_MAJOR, FL_ABI_MINOR);
}

static size_t size_of(enum fl_option_type type)
{
	switch (type) {
	case FL_OPT_STRING: return sizeof(char *);
	case FL_OPT_INT:
	case FL_OPT_SIZE: return sizeof(int64_t);
	case FL_OPT_NUMBER:
	case FL_OPT_DURATION: return sizeof(double);
	case FL_OPT_BOOL: return sizeof(uint8_t);
	case FL_OPT_FIELD:
	case FL_OPT_STREAM:
	case FL_OPT_CHOICE: return sizeof(uint32_t);
	case FL_OPT_MAP: return sizeof(struct fl_map);
	}
	return 0;
}

static int check_option(const struct fl_plugin *pl, const struct fl_option *o, const char *path, char *err)
{
	size_t size = size_of(o->type);
	if (!size)
		return fl_err(err,
		              "option \"%s\" in the table of %s is of type %d, which ABI %u.%u does not have: use one of enum "
		              "fl_option_type",
		              o->name, path, (int)o->type, FL_ABI_MAJOR, FL_ABI_MINOR);
	if (o->offset > pl->conf_size || pl->conf_size - o->offset < size)
		return fl_err(
			err,
			"option \"%s\" in the table of %s stands at byte %zu and takes %zu, but its conf struct has only %zu: "
			"set .conf_size = sizeof the struct",
			o->name, path, o->offset, size, pl->conf_size);
	if (o->offset % (o->type == FL_OPT_MAP ? sizeof(void *) : size))
		return fl_err(
			err,
			"option \"%s\" in the table of %s stands at byte %zu, where no member of its type can be: use offsetof",
			o->name, path, o->offset);
	if (o->type == FL_OPT_CHOICE && !o->choices)
		return fl_err(err, "option \"%s\" in the table of %s has no choices: set .choices = \"a|b\"", o->name, path);
	if (!o->help)
		return fl_err(err, "option \"%s\" in the table of %s has no help: write one line", o->name, path);
	return 0;
}

static int check_options(const struct fl_plugin *pl, const char *path, char *err)
{
	uint32_t n = 0;
	for (const struct fl_option *o = pl->options; o && o->name; o++) {
		if (++n > MOST_OPTIONS)
			return fl_err(err, "the option table of %s has no end: close it with an entry without a name, {0}", path);
		if (check_option(pl, o, path, err) != 0)
			return -1;
		for (const struct fl_option *p = pl->options; p < o; p++)
			if (strcmp(p->name, o->name) == 0)
				return fl_err(err, "the option table of %s has \"%s\" twice: remove one", path, o->name);
	}
	return 0;
}

/* A default is read as a conf's value is, so a wrong one must not wait for a user who leaves the option out. */
static int check_defaults(const struct fl_plugin *pl, const char *path, char *err)
{
	struct fl_option open[MOST_OPTIONS + 1];
	struct fl_plugin free_of_needs = *pl;
	uint32_t n = 0;
	for (const struct fl_option *o = pl->options; o && o->name; o++) {
		open[n] = *o;
		if (o->standard && strcmp(o->standard, "!") == 0)
			open[n].standard = NULL;
		n++;
	}
	open[n] = (struct fl_option){0};
	free_of_needs.options = open;
	int line;
	if (fl_options_check(&free_of_needs, NULL, &line, err) != 0)
		return fl_err_in(err, "the option table of %s has a default that is none", path);
	return 0;
}

int fl_module_check(const struct fl_plugin *pl, size_t exported, const char *path, char *err)
{
	if (exported < offsetof(struct fl_plugin, kind))
		return fl_err(
			err,
			"the fl_plugin of %s has only %zu bytes, too few for a version: define it as const struct fl_plugin of "
			"fairlead.h, ABI %u.%u",
			path, exported, FL_ABI_MAJOR, FL_ABI_MINOR);
	if (check_version(pl, path, err) != 0 || check_size(pl, exported, path, err) != 0)
		return -1;
	if (pl->kind != FL_TRANSFORM && pl->kind != FL_SINK && pl->kind != FL_SOURCE)
		return fl_err(err, "%s is of kind %d, which ABI %u.%u does not have: use FL_TRANSFORM, FL_SINK or FL_SOURCE",
		              path, (int)pl->kind, FL_ABI_MAJOR, FL_ABI_MINOR);
	const char *stem = strrchr(path, '/');
	stem = stem ? stem + 1 : path;
	if (!pl->name || strncmp(pl->name, stem, strlen(pl->name)) != 0 || strcmp(stem + strlen(pl->name), ".so") != 0)
		return fl_err(
			err,
			"the plugin in %s calls itself \"%s\": a plugin's file is named as it is, so rename the file, or set .name",
			path, pl->name ? pl->name : "");
	const char *lacks = !pl->open ? "open" : !pl->close ? "close" : !pl->help ? "help" : !pl->version ? "version" :
	                    pl->kind == FL_TRANSFORM && !pl->process ? "process" :
	                    pl->kind == FL_SINK && !pl->write ? "write" :
	                    pl->kind == FL_SINK && !pl->flush ? "flush" :
	                    pl->kind == FL_SOURCE && !pl->read ? "read" : NULL;
	if (lacks)
		return fl_err(err, "%s has no .%s, which a plugin of its kind needs: define it in fl_plugin", path, lacks);
	return check_options(pl, path, err) != 0 ? -1 : check_defaults(pl, path, err);
}
