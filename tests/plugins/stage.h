/* For the tests of plugins: a real .so, opened by the host's own code as a stage, with a task's state and a batch. */
#ifndef TESTS_PLUGINS_STAGE_H
#define TESTS_PLUGINS_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "event/batch.h"
#include "plugin/plugin.h"
#include "state/state.h"

#define STAGE_EVENTS FL_BATCH_MAX

struct stage {
	struct fl_module *module;
	struct fl_fields *fields;
	struct fl_events *ev;
	struct fl_state *state;
	struct fl_instance *in;
	struct fl_value opts;
	char dir[64]; /* the app's data */
	char *bytes[STAGE_EVENTS];
	char err[FL_ERRLEN];
};

static inline void stage_new(struct stage *s, const char *plugin, const struct fl_codec *codec)
{
	char path[256];
	struct fl_state_conf state = {.who = "test"};
	struct fl_limits limits = {0};
	memset(s, 0, sizeof *s);
	snprintf(path, sizeof path, "%s/plugins/%s.so", BUILD, plugin);
	s->module = fl_module_load_file(path, s->err);
	if (!s->module)
		fail_msg("%s", s->err);
	s->fields = fl_fields_new();
	s->ev = fl_events_new(s->fields, codec, limits, 0);
	s->state = fl_state_open(&state, s->err);
	assert_non_null(s->state);
	s->opts = (struct fl_value){.kind = FL_V_MAP};
	strcpy(s->dir, "/tmp/fl-stage-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
}

static inline struct fl_value *stage_option(struct stage *s, const char *name, enum fl_value_kind kind)
{
	struct fl_value *v;
	uint32_t at = 0;
	while (at < s->opts.n && strcmp(s->opts.item[at].name, name) < 0)
		at++;
	s->opts.item = realloc(s->opts.item, (s->opts.n + 1) * sizeof *s->opts.item);
	v = s->opts.item + at;
	memmove(v + 1, v, (s->opts.n++ - at) * sizeof *v);
	*v = (struct fl_value){.kind = kind, .name = strdup(name)};
	return v;
}

static inline void stage_text(struct stage *s, const char *name, const char *text) { stage_option(s, name, FL_V_STRING)->text = strdup(text); }
static inline void stage_number(struct stage *s, const char *name, double v) { stage_option(s, name, FL_V_NUMBER)->number = v; }
static inline void stage_bool(struct stage *s, const char *name, int v) { stage_option(s, name, FL_V_BOOL)->number = v; }
static inline void stage_stream(struct stage *s, const char *name, uint32_t v) { stage_option(s, name, FL_V_STREAM)->number = v; }

/* column = "field", or with word: column = word "field", into the map option name. */
static inline void stage_map(struct stage *s, const char *name, const char *column, const char *field, const char *word)
{
	struct fl_value *map = (struct fl_value *)fl_value_get(&s->opts, name);
	if (!map)
		map = stage_option(s, name, FL_V_MAP);
	map->item = realloc(map->item, (map->n + 1) * sizeof *map->item);
	map->item[map->n++] = (struct fl_value){.kind = word ? FL_V_WORD : FL_V_STRING, .name = strdup(column), .text = strdup(field),
		.word = word ? strdup(word) : NULL};
}

/* 0, or -1 and s->err. kind: of the plugin, decides what it is given. */
static inline int stage_open(struct stage *s)
{
	int kind = s->module->plugin->kind;
	struct fl_instance_conf conf = {.who = "test/flow", .stage = s->module->plugin->name, .labels = "app=\"test\"", .prefix = "flow",
		.data_dir = s->dir, .opts = &s->opts, .fields = kind == FL_SOURCE ? NULL : s->fields, .stores = kind != FL_SINK};
	s->err[0] = 0;
	s->in = fl_instance_open(s->module, &conf, s->err);
	return s->in ? fl_instance_bind(s->in, s->state, s->err) : -1;
}

static inline void stage_must_open(struct stage *s)
{
	if (stage_open(s) < 0)
		fail_msg("%s", s->err);
}

static inline void stage_shut(struct stage *s)
{
	fl_instance_close(s->in);
	s->in = NULL;
}

static inline void stage_begin(struct stage *s, const char *stream, uint32_t partition)
{
	for (int k = 0; k < STAGE_EVENTS; k++) {
		free(s->bytes[k]);
		s->bytes[k] = NULL;
	}
	fl_events_begin(s->ev, stream, partition, 1000);
}

/* key and json may be NULL. */
static inline uint32_t stage_add(struct stage *s, int64_t offset, double time, const char *key, const char *json)
{
	uint32_t i = s->ev->b.n;
	size_t n = json ? strlen(json) : 0, k = key ? strlen(key) : 0;
	struct fl_str none = {0}, value = {0}, name = {0};
	s->bytes[i] = calloc(1, n + FL_PAD + k + 1);
	if (json)
		value = (struct fl_str){memcpy(s->bytes[i], json, n), (uint32_t)n};
	if (key)
		name = (struct fl_str){memcpy(s->bytes[i] + n + FL_PAD, key, k + 1), (uint32_t)k};
	fl_events_add(s->ev, offset, time, name, value, none);
	return i;
}

static inline void stage_decode(struct stage *s) { fl_events_decode(s->ev); }

static inline void stage_process(struct stage *s)
{
	if (fl_instance_process(s->in, s->ev, s->err) < 0)
		fail_msg("%s", s->err);
}

static inline int stage_outcome(struct stage *s, uint32_t i) { return s->ev->b.outcome[i]; }

static inline const struct fl_why *stage_why(struct stage *s, uint32_t i)
{
	for (uint32_t k = 0; k < s->ev->whys; k++)
		if (s->ev->why[k].i == i)
			return &s->ev->why[k];
	fail_msg("event %u has no reason", i);
	return NULL;
}

static inline const char *stage_reason(struct stage *s, uint32_t i)
{
	static char text[FL_ERRLEN];
	const struct fl_why *why = stage_why(s, i);
	snprintf(text, sizeof text, "%.*s", (int)why->text.len, why->text.p);
	return text;
}

static inline struct fl_column *stage_column(struct stage *s, const char *name)
{
	return s->ev->b.column[fl_events_column(s->ev, fl_str(name))];
}

static inline void stage_end(struct stage *s)
{
	char command[128];
	stage_begin(s, "end", 0);
	stage_shut(s);
	fl_state_close(s->state);
	fl_events_free(s->ev);
	fl_fields_free(s->fields);
	fl_module_unref(s->module);
	fl_value_free(&s->opts);
	snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
	assert_int_equal(system(command), 0);
}

/* Chance that is the same each time. */
static inline uint32_t stage_random(uint32_t below)
{
	static uint64_t x = 88172645463325252u;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 33) % below;
}

#endif
