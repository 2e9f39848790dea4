/* A stream's options, to the plan's struct. Called by check.c. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../base/unit.h"
#include "private.h"

#define MOST_PARTITIONS 1024
#define MOST_RECORD ((int64_t)1 << 30)
#define MOST_DEPTH 1024

struct stream_conf {
	int64_t partitions, keep_bytes, record, depth;
	double keep;
	const char *key, *time, *codec;
	uint32_t validate;
};

#define AT(member) offsetof(struct stream_conf, member)
static const struct fl_option stream_options[] = {
	{"partitions", FL_OPT_INT, "1", "in how many parts it is kept and worked on", AT(partitions), NULL},
	{"key", FL_OPT_STRING, NULL, "the field whose value is a record's key", AT(key), NULL},
	{"time", FL_OPT_STRING, NULL, "the field that has a record's time", AT(time), NULL},
	{"codec", FL_OPT_STRING, "json", "how records are written", AT(codec), NULL},
	{"keep", FL_OPT_DURATION, NULL, "how long records are kept", AT(keep), NULL},
	{"keep_bytes", FL_OPT_SIZE, NULL, "how much is kept", AT(keep_bytes), NULL},
	{"record", FL_OPT_SIZE, "1MiB", "the largest record", AT(record), NULL},
	{"depth", FL_OPT_INT, "64", "how deep a record may nest", AT(depth), NULL},
	{"validate", FL_OPT_CHOICE, "used", "whether fields that nobody reads are checked too", AT(validate), "used|full"},
	{0},
};

struct time_conf {
	const char *field, *format;
	uint32_t unit;
};

static const struct fl_option time_options[] = {
	{"field", FL_OPT_STRING, "!", "the field that has the time", offsetof(struct time_conf, field), NULL},
	{"unit", FL_OPT_CHOICE, "s", "of a number", offsetof(struct time_conf, unit), "s|ms|us|ns"},
	{"format", FL_OPT_STRING, NULL, "of a text, as strptime has it", offsetof(struct time_conf, format), NULL},
	{0},
};

static int check_time(struct fl_reading *r, const struct fl_decl *d, const struct fl_value *time,
                      struct fl_arena *arena, struct fl_time_spec *spec)
{
	static const double unit[] = {1, 1e-3, 1e-6, 1e-9};
	struct time_conf t;
	if (fl_check_options(r, "time of stream", d->name, time_options, time, arena, &t, sizeof t) != 0)
		return -1;
	const struct fl_value *format = fl_value_get(time, "format");
	if (format && fl_value_get(time, "unit"))
		return fl_reading_fail(
			r, format->line,
			"the time of stream \"%s\" has a unit, for numbers, and a format, for texts: leave one out", d->name);
	if (format && !strchr(t.format, '%'))
		return fl_reading_fail(
			r, format->line,
			"the time format \"%s\" of stream \"%s\" has no %% in it: write it as strptime has it, such as "
			"\"%%Y-%%m-%%d %%H:%%M:%%S\"",
			t.format, d->name);
	spec->field = fl_strdup(t.field);
	spec->unit = unit[t.unit];
	spec->format = t.format ? fl_strdup(t.format) : NULL;
	return 0;
}

static int line_of(const struct fl_decl *d, const char *name)
{
	const struct fl_value *v = fl_value_get(&d->opts, name);
	return v ? v->line : d->line;
}

static int unknown_codec(struct fl_reading *r, const struct fl_decl *d, const char *name)
{
	uint32_t n;
	const char *const *names = fl_codec_names(&n), *near = fl_nearest(name, names, n);
	struct fl_buf all = {0};
	for (uint32_t i = 0; i < n; i++)
		fl_buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
	fl_reading_fail(r, line_of(d, "codec"), "stream \"%s\" has the codec \"%s\", and there are %s%s%s%s", d->name, name,
	                all.p ? all.p : "none", near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	fl_buf_free(&all);
	return -1;
}

static int check_range(struct fl_reading *r, const struct fl_decl *d, const char *name, int64_t v, int64_t most)
{
	if (v >= 1 && v <= most)
		return 0;
	return fl_reading_fail(r, line_of(d, name), "option \"%s\" of stream \"%s\" takes 1 to %lld; found %lld", name,
	                       d->name, (long long)most, (long long)v);
}

static int check_numbers(struct fl_reading *r, const struct fl_decl *d, const struct stream_conf *c)
{
	if (check_range(r, d, "partitions", c->partitions, MOST_PARTITIONS) != 0 ||
	    check_range(r, d, "depth", c->depth, MOST_DEPTH) != 0 ||
	    check_range(r, d, "record", c->record, MOST_RECORD) != 0)
		return -1;
	if (fl_value_get(&d->opts, "keep") && !(c->keep > 0))
		return fl_reading_fail(r, line_of(d, "keep"),
		                       "option \"keep\" of stream \"%s\" is longer than 0s; leave it out to keep all for ever",
		                       d->name);
	if (fl_value_get(&d->opts, "keep_bytes") && c->keep_bytes < 1)
		return fl_reading_fail(r, line_of(d, "keep_bytes"),
		                       "option \"keep_bytes\" of stream \"%s\" is more than 0; leave it out to keep any size",
		                       d->name);
	if (c->key && !c->key[0])
		return fl_reading_fail(r, line_of(d, "key"), "the key of stream \"%s\" is the name of a field; found \"\"",
		                       d->name);
	return 0;
}

static int fill(struct fl_reading *r, const struct fl_decl *d, struct fl_arena *arena, struct fl_plan_stream *s)
{
	struct stream_conf c;
	const struct fl_value *time = fl_value_get(&d->opts, "time");
	struct fl_value others = d->opts; /* without a time that is a table */
	struct fl_value as_table = {.kind = FL_V_MAP, .n = 1}, field;
	others.item = fl_alloc((d->opts.n + 1) * sizeof *others.item);
	others.n = 0;
	for (uint32_t i = 0; i < d->opts.n; i++)
		if (&d->opts.item[i] != time || time->kind != FL_V_MAP)
			others.item[others.n++] = d->opts.item[i];
	int rc = fl_check_options(r, "stream", d->name, stream_options, &others, arena, &c, sizeof c);
	free(others.item);
	if (rc != 0 || check_numbers(r, d, &c) != 0)
		return -1;
	if (time && time->kind == FL_V_STRING) {
		field = *time;
		field.name = (char *)(uintptr_t)"field";
		as_table.line = time->line;
		as_table.item = &field;
		time = &as_table;
	}
	if (time && check_time(r, d, time, arena, &s->time) != 0)
		return -1;
	s->codec = fl_codec_find(c.codec);
	if (!s->codec)
		return unknown_codec(r, d, c.codec);
	s->key = c.key ? fl_strdup(c.key) : NULL;
	s->partitions = (uint32_t)c.partitions;
	s->limits = (struct fl_limits){(uint32_t)c.record, (uint32_t)c.depth, c.validate == 1};
	s->keep_age = c.keep;
	s->keep_bytes = c.keep_bytes;
	return 0;
}

int fl_check_stream(struct fl_reading *r, const struct fl_decl *d, struct fl_plan_stream *s)
{
	struct fl_arena arena = {0};
	*s = (struct fl_plan_stream){.name = fl_strdup(d->name), .line = d->line};
	int rc = fill(r, d, &arena, s);
	fl_arena_free(&arena);
	return rc;
}
