/* Options: from what the conf says to the struct that the plugin laid out. Called by the plan's check (dry; for its own
 * words too) and when an instance is opened. The same conversion serves both, so that what passes the check also opens. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../base/unit.h"
#include "private.h"

#define SHOWN 80 /* bytes of a value in a message */

static const char *takes(enum fl_option_type type)
{
	switch (type) {
	case FL_OPT_STRING: return "a string";
	case FL_OPT_INT: return "a whole number";
	case FL_OPT_NUMBER: return "a number";
	case FL_OPT_BOOL: return "true or false";
	case FL_OPT_DURATION: return "a duration such as \"5s\", \"200ms\", \"1.5h\" or \"7d\"";
	case FL_OPT_SIZE: return "a size such as \"64MiB\", \"10kB\" or a number of bytes";
	case FL_OPT_FIELD: return "the name of a field";
	case FL_OPT_STREAM: return "a stream, as stream \"name\" { } gives it";
	case FL_OPT_CHOICE: return "one of its choices";
	case FL_OPT_MAP: return "a table of fields such as { column = \"field\", at = time \"field\" }";
	}
	return "nothing";
}

/* Masked before it is cut, so that no part of a secret stays. */
static char *masked(const char *text)
{
	char *all = fl_strdup(text);
	fl_secret_mask(all);
	char *cut = strlen(all) > SHOWN ? fl_printf("%.*s…", SHOWN, all) : fl_strdup(all);
	free(all);
	return cut;
}

static char *describe(const struct fl_value *v)
{
	char *text = v->text ? masked(v->text) : NULL, *said;
	switch (v->kind) {
	case FL_V_NIL: said = fl_strdup("nothing"); break;
	case FL_V_BOOL: said = fl_strdup(v->number != 0 ? "true" : "false"); break;
	case FL_V_NUMBER: said = fl_printf("the number %.17g", v->number); break;
	case FL_V_STRING: said = fl_printf("\"%s\"", text); break;
	case FL_V_LIST: said = fl_strdup("a list"); break;
	case FL_V_MAP: said = fl_strdup("a table"); break;
	case FL_V_STREAM: said = fl_strdup("a stream"); break;
	default: said = fl_printf("%s \"%s\"", v->word, text); break;
	}
	free(text);
	return said;
}

static int wrong(const struct fl_filling *f, const struct fl_plugin *pl, const struct fl_option *o,
                 const struct fl_value *v, const char *takes_what, char *err)
{
	char *found = describe(v);
	fl_err(err, "option \"%s\" of %s \"%s\" takes %s; found %s", o->name, f->word, pl->name, takes_what, found);
	free(found);
	return -1;
}

/* The place of text among "a|b|c", -1: none. */
static int choice(const char *choices, const char *text)
{
	size_t len = strlen(text);
	for (int i = 0; choices; i++) {
		size_t n = strcspn(choices, "|");
		if (n == len && memcmp(choices, text, n) == 0)
			return i;
		choices = choices[n] ? choices + n + 1 : NULL;
	}
	return -1;
}

static int wrong_choice(const struct fl_filling *f, const struct fl_plugin *pl, const struct fl_option *o,
                        const struct fl_value *v, char *err)
{
	char *copy = fl_strdup(o->choices), *said = NULL, *rest = copy;
	const char *names[64], *near = NULL;
	uint32_t n = 0;
	for (char *one; n < 64 && (one = strsep(&rest, "|"));)
		names[n++] = one;
	if (v->kind == FL_V_STRING)
		near = fl_nearest(v->text, names, n);
	struct fl_buf list = {0};
	for (uint32_t i = 0; i < n; i++)
		fl_buf_printf(&list, "%s\"%s\"", i == 0 ? "" : i + 1 < n ? ", " : " or ", names[i]);
	wrong(f, pl, o, v, list.p ? list.p : "nothing", err);
	if (near) {
		said = fl_strdup(err);
		fl_err(err, "%s; did you mean \"%s\"?", said, near);
	}
	free(said);
	free(copy);
	fl_buf_free(&list);
	return -1;
}

static const char *keep(struct fl_filling *f, const char *text)
{
	return fl_arena_copy(f->arena, text, strlen(text) + 1).p;
}

static int is_whole(double d) { return d == floor(d) && fabs(d) <= 9007199254740992.0; }

static int column(struct fl_filling *f, const struct fl_plugin *pl, const struct fl_option *o, const char *name,
                  uint32_t *to, char *err)
{
	*to = FL_NO_FIELD;
	if (f->dry && pl->kind != FL_SOURCE)
		return 0;
	if (!f->fields)
		return fl_err(err, "option \"%s\" of %s \"%s\" is a field, but a source has no records to read", o->name,
		              f->word, pl->name);
	*to = fl_fields_add(f->fields, fl_str(name));
	if (*to == FL_NO_FIELD)
		return fl_err(err, "option \"%s\" of %s \"%s\" asks for one field more than the %d that a pipeline can have",
		              o->name, f->word, pl->name, FL_COLUMNS_MAX);
	return 0;
}

static int fill_map(struct fl_filling *f, const struct fl_plugin *pl, const struct fl_option *o,
                    const struct fl_value *v, struct fl_map *to, int *line, char *err)
{
	if ((v->kind != FL_V_MAP && v->kind != FL_V_LIST) || v->n == 0)
		return wrong(f, pl, o, v, takes(o->type), err);
	struct fl_map_entry *entry = fl_arena_alloc(f->arena, v->n * sizeof *entry);
	for (uint32_t i = 0; i < v->n; i++) {
		const struct fl_value *item = &v->item[i];
		*line = item->line;
		if ((item->kind != FL_V_STRING && item->kind != FL_V_WORD) || !item->text[0]) {
			char *found = describe(item), *name = masked(item->name ? item->name : "");
			fl_err(err,
			       "entry \"%s\" of option \"%s\" of %s \"%s\" takes the name of a field, or time \"field\"; found %s",
			       name, o->name, f->word, pl->name, found);
			free(found);
			free(name);
			return -1;
		}
		entry[i].value = keep(f, item->text);
		entry[i].name = item->name ? keep(f, item->name) : entry[i].value;
		entry[i].as = item->kind == FL_V_WORD ? keep(f, item->word) : NULL;
		entry[i].field = FL_NO_FIELD;
		if (pl->kind != FL_SOURCE && column(f, pl, o, item->text, &entry[i].field, err) != 0)
			return -1;
	}
	*to = (struct fl_map){v->n, entry};
	return 0;
}

/* Of the types that are written as one number or text. */
static int fill_plain(struct fl_filling *f, const struct fl_option *o, const struct fl_value *v, void *to)
{
	int is_string = v->kind == FL_V_STRING, is_number = v->kind == FL_V_NUMBER;
	switch (o->type) {
	case FL_OPT_STRING:
		return is_string ? (*(const char **)to = keep(f, v->text), 0) : -1;
	case FL_OPT_INT:
		return is_number && is_whole(v->number) ? (*(int64_t *)to = (int64_t)v->number, 0) : -1;
	case FL_OPT_NUMBER:
		return is_number && isfinite(v->number) ? (*(double *)to = v->number, 0) : -1;
	case FL_OPT_BOOL:
		return v->kind == FL_V_BOOL ? (*(uint8_t *)to = v->number != 0, 0) : -1;
	case FL_OPT_DURATION:
		return is_string ? fl_duration(v->text, to) : -1;
	case FL_OPT_SIZE:
		if (is_number && is_whole(v->number) && v->number >= 0)
			return (*(int64_t *)to = (int64_t)v->number, 0);
		return is_string ? fl_size(v->text, to) : -1;
	case FL_OPT_STREAM:
		return v->kind == FL_V_STREAM ? (*(uint32_t *)to = (uint32_t)v->number, 0) : -1;
	default:
		return -1;
	}
}

static int fill(struct fl_filling *f, const struct fl_plugin *pl, const struct fl_option *o, const struct fl_value *v,
                char *conf, int *line, char *err)
{
	void *to = conf + o->offset;
	int at;
	switch (o->type) {
	case FL_OPT_MAP:
		return fill_map(f, pl, o, v, to, line, err);
	case FL_OPT_FIELD:
		if (v->kind != FL_V_STRING || !v->text[0])
			return wrong(f, pl, o, v, takes(o->type), err);
		return column(f, pl, o, v->text, to, err);
	case FL_OPT_CHOICE:
		at = v->kind == FL_V_STRING ? choice(o->choices, v->text) : -1;
		if (at < 0)
			return wrong_choice(f, pl, o, v, err);
		*(uint32_t *)to = (uint32_t)at;
		return 0;
	default:
		return fill_plain(f, o, v, to) != 0 ? wrong(f, pl, o, v, takes(o->type), err) : 0;
	}
}

/* The default's text as the value that a conf would have in its place. */
static struct fl_value standard(const struct fl_option *o)
{
	struct fl_value v = {.kind = FL_V_STRING, .text = (char *)o->standard};
	char *end = NULL;
	double d = o->standard[0] ? strtod(o->standard, &end) : 0;
	int is_number = end && *end == 0;
	if (o->type == FL_OPT_BOOL && (strcmp(o->standard, "true") == 0 || strcmp(o->standard, "false") == 0))
		return (struct fl_value){.kind = FL_V_BOOL, .number = o->standard[0] == 't'};
	if ((o->type == FL_OPT_INT || o->type == FL_OPT_NUMBER || o->type == FL_OPT_SIZE) && is_number)
		return (struct fl_value){.kind = FL_V_NUMBER, .number = d};
	return v;
}

static void fill_nothing(const struct fl_option *o, char *conf)
{
	if (o->type == FL_OPT_FIELD)
		*(uint32_t *)(conf + o->offset) = FL_NO_FIELD;
	if (o->type == FL_OPT_STREAM)
		*(uint32_t *)(conf + o->offset) = FL_NO_STREAM;
}

static int unknown(const struct fl_filling *f, const struct fl_plugin *pl, const char *name, char *err)
{
	const char *names[512] = {0}, *near;
	uint32_t n = 0;
	struct fl_buf has = {0};
	for (const struct fl_option *o = pl->options; o && o->name && n < 512; o++) {
		fl_buf_printf(&has, "%s%s", n ? ", " : "", o->name);
		names[n++] = o->name;
	}
	near = fl_nearest(name, names, n);
	char *shown = masked(name);
	fl_err(err, "unknown option \"%s\" of %s \"%s\" (it has %.250s)%s%s%s", shown, f->word, pl->name,
	       n ? has.p : "no options", near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	free(shown);
	fl_buf_free(&has);
	return -1;
}

static int check_names(const struct fl_filling *f, const struct fl_plugin *pl, const struct fl_value *opts, int *line,
                       char *err)
{
	if (opts && opts->n && opts->kind != FL_V_MAP) {
		*line = opts->item[0].line;
		return fl_err(err, "the options of %s \"%s\" take names: write %s \"%s\" { name = value }", f->word, pl->name,
		              f->word, pl->name);
	}
	for (uint32_t i = 0; opts && i < opts->n; i++) {
		const struct fl_option *o = pl->options;
		while (o && o->name && strcmp(o->name, opts->item[i].name) != 0)
			o++;
		if (!o || !o->name) {
			*line = opts->item[i].line;
			return unknown(f, pl, opts->item[i].name, err);
		}
	}
	return 0;
}

int fl_options_fill(const struct fl_plugin *pl, const struct fl_value *opts, struct fl_filling *f, void *conf,
                    int *line, char *err)
{
	if (check_names(f, pl, opts, line, err) != 0)
		return -1;
	for (const struct fl_option *o = pl->options; o && o->name; o++) {
		const struct fl_value *given = fl_value_get(opts, o->name), *v = given;
		struct fl_value by_default = {0};
		*line = given ? given->line : opts ? opts->line : 0;
		if (!given && o->standard && strcmp(o->standard, "!") == 0)
			return fl_err(err, "%s \"%s\" needs the option \"%s\" (%s): %s", f->word, pl->name, o->name, o->help,
			              takes(o->type));
		if (!given && o->standard) {
			by_default = standard(o);
			v = &by_default;
		}
		if (!v)
			fill_nothing(o, conf);
		else if (fill(f, pl, o, v, conf, line, err) != 0)
			return -1;
	}
	return 0;
}

int fl_options_check(const struct fl_plugin *pl, const struct fl_value *opts, int *line, char *err)
{
	struct fl_arena arena = {0};
	struct fl_filling f = {.word = "plugin", .arena = &arena, .dry = 1};
	void *conf = fl_alloc(pl->conf_size + 1);
	int unused;
	int rc = fl_options_fill(pl, opts, &f, conf, line ? line : &unused, err);
	free(conf);
	fl_arena_free(&arena);
	return rc;
}
