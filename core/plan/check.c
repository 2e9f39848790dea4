/* From what a conf declared to a plan: everything that is wrong is found here, before anything starts. Called by read.c
 * once the conf has run. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/unit.h"
#include "private.h"

/* ---- options of the plan's own words --------------------------------------------------------------------------- */

int fl_check_options(struct fl_reading *r, const char *word, const char *name, const struct fl_option *options,
                     const struct fl_value *opts, struct fl_arena *arena, void *conf, size_t size)
{
	const struct fl_plugin as = {.kind = FL_SINK, .name = name, .options = options, .conf_size = size};
	struct fl_filling f = {.word = word, .arena = arena, .dry = 1};
	char err[FL_ERRLEN];
	int line = 0;
	memset(conf, 0, size);
	if (fl_options_fill(&as, opts, &f, conf, &line, err) == 0)
		return 0;
	return fl_reading_fail(r, line ? line : opts->line, "%s", err);
}

struct general {
	uint32_t durability;
	int64_t state_memory;
};

static const struct fl_option general_options[] = {
	{"durability", FL_OPT_CHOICE, "default", "what a power cut may take", offsetof(struct general, durability),
	 "default|power"},
	{"state_memory", FL_OPT_SIZE, NULL, "memory of a task's changes before they are written",
	 offsetof(struct general, state_memory), NULL},
	{0},
};

static int check_general(struct fl_reading *r, struct fl_plan *plan)
{
	struct fl_arena arena = {0};
	struct general g;
	int rc = fl_check_options(r, "the word", "option", general_options, &r->option, &arena, &g, sizeof g);
	fl_arena_free(&arena);
	if (rc != 0)
		return -1;
	const struct fl_value *memory = fl_value_get(&r->option, "state_memory");
	if (memory && g.state_memory < (1 << 20))
		return fl_reading_fail(r, memory->line, "option \"state_memory\" is at least \"1MiB\"");
	plan->power = g.durability == 1;
	plan->state_memory = g.state_memory;
	plan->option = r->option;
	plan->kafka = r->kafka;
	r->option = r->kafka = (struct fl_value){0};
	return 0;
}

/* ---- streams --------------------------------------------------------------------------------------------------- */

static uint32_t always(struct fl_plan *plan, const char *suffix)
{
	char *name = fl_printf("%s-%s", plan->app, suffix);
	uint32_t at = fl_plan_stream_find(plan, fl_str(name));
	if (at != FL_NO_STREAM) {
		free(name);
		return at;
	}
	plan->stream[plan->streams] = (struct fl_plan_stream){.name = name, .partitions = 1, .codec = &fl_codec_json};
	return plan->streams++;
}

static int check_streams(struct fl_reading *r, struct fl_plan *plan)
{
	plan->stream = fl_alloc((r->streams + 2) * sizeof *plan->stream);
	for (uint32_t i = 0; i < r->decls; i++) {
		if (r->decl[i].kind != FL_D_STREAM)
			continue;
		if (fl_check_stream(r, &r->decl[i], &plan->stream[plan->streams++]) != 0)
			return -1;
	}
	plan->late = always(plan, "late");
	plan->dlq = always(plan, "dlq");
	return 0;
}

/* ---- flows ----------------------------------------------------------------------------------------------------- */

struct flow_conf {
	uint32_t from, to, start;
	const char *page;
};

#define FROM {"from", FL_OPT_STREAM, "!", "the stream that it reads", offsetof(struct flow_conf, from), NULL}
#define TO {"to", FL_OPT_STREAM, "!", "the stream that it writes to", offsetof(struct flow_conf, to), NULL}
#define BEGINS "where it begins the first time"
#define START {"start", FL_OPT_CHOICE, "oldest", BEGINS, offsetof(struct flow_conf, start), "oldest|newest"}
#define PAGE {"page", FL_OPT_STRING, "!", "the page that shows it", offsetof(struct flow_conf, page), NULL}

static const struct fl_option source_options[] = {TO, {0}};
static const struct fl_option pipeline_options[] = {FROM, TO, START, {0}};
static const struct fl_option sink_options[] = {FROM, START, {0}};
static const struct fl_option web_options[] = {FROM, PAGE, START, {0}};

static int check_stage_count(struct fl_reading *r, const struct fl_decl *d)
{
	if (d->kind == FL_D_WEB && d->stages)
		return fl_reading_fail(r, r->decl[d->stage[0]].line,
		                       "web \"%s\" shows a stream as it is and takes no stages: put them into a pipeline",
		                       d->name);
	if (d->kind == FL_D_SINK && d->stages != 1)
		return fl_reading_fail(r, d->line,
		                       "sink \"%s\" has %u stages and takes one plugin that is a sink: sink \"%s\" { from = …, "
		                       "plugin \"name\" { … } }",
		                       d->name, d->stages, d->name);
	if (d->kind == FL_D_SOURCE && d->stages != 1)
		return fl_reading_fail(
			r, d->line,
			"source \"%s\" has %u stages and takes one: source \"%s\" { script \"generators/…\" { … }, to = … }",
			d->name, d->stages, d->name);
	return 0;
}

static void unique_id(struct fl_plan_flow *flow, struct fl_plan_stage *st)
{
	char *stem = fl_strdup(st->id);
	for (uint32_t n = 1, i = 0; i < flow->stages; i++)
		if (&flow->stage[i] != st && strcmp(flow->stage[i].id, st->id) == 0) {
			free(st->id);
			st->id = fl_printf("%s-%u", stem, ++n);
			i = UINT32_MAX; /* from the start */
		}
	free(stem);
}

static int check_reads_itself(struct fl_reading *r, const struct fl_plan *plan, const struct fl_plan_flow *flow)
{
	if (flow->kind != FL_FLOW_PIPELINE)
		return 0;
	if (flow->from == flow->to)
		return fl_reading_fail(
			r, flow->line,
			"pipeline \"%s\" would read what it writes to stream \"%s\", without an end: write to another stream",
			flow->name, plan->stream[flow->to].name);
	for (uint32_t k = 0; k < flow->stages; k++)
		for (uint32_t i = 0; i < flow->stage[k].opts.n; i++) {
			const struct fl_value *v = &flow->stage[k].opts.item[i];
			if (v->kind == FL_V_STREAM && (uint32_t)v->number == flow->from)
				return fl_reading_fail(
					r, v->line,
					"%s \"%s\" of pipeline \"%s\" would write to stream \"%s\", which the pipeline reads, without an "
					"end: write to another stream",
					flow->stage[k].kind == FL_STAGE_PLUGIN ? "plugin" : "script", flow->stage[k].name, flow->name,
					plan->stream[flow->from].name);
		}
	return 0;
}

static int check_stages(struct fl_reading *r, const struct fl_plan *plan, const struct fl_decl *d,
                        struct fl_plan_flow *flow)
{
	flow->stage = fl_alloc((d->stages + 1) * sizeof *flow->stage);
	for (uint32_t i = 0; i < d->stages; i++) {
		struct fl_decl *stage = &r->decl[d->stage[i]];
		struct fl_plan_stage *st = &flow->stage[flow->stages++];
		if (fl_check_stage(r, plan, d, stage, st) != 0)
			return -1;
		const struct fl_value *given = fl_value_get(&stage->opts, "name");
		if (!given) {
			unique_id(flow, st);
			continue;
		}
		for (uint32_t k = 0; k < i; k++)
			if (strcmp(flow->stage[k].id, st->id) == 0)
				return fl_reading_fail(r, given->line,
				                       "two stages of %s \"%s\" are called \"%s\": give this one another name",
				                       fl_decl_word(d->kind), d->name, st->id);
	}
	return check_reads_itself(r, plan, flow);
}

static int check_flow(struct fl_reading *r, const struct fl_plan *plan, const struct fl_decl *d,
                      struct fl_plan_flow *flow)
{
	static const struct fl_option *const options[] = {source_options, pipeline_options, sink_options, web_options};
	const char *word = fl_decl_word(d->kind);
	struct fl_arena arena = {0};
	struct flow_conf c;
	int kind = (int)d->kind - FL_D_SOURCE;
	*flow = (struct fl_plan_flow){.kind = (enum fl_flow_kind)kind, .name = fl_strdup(d->name), .line = d->line};
	if (!d->opts_line)
		return fl_reading_fail(r, d->line, "%s \"%s\" has no table: write %s \"%s\" { … }", word, d->name, word,
		                       d->name);
	int rc = fl_check_options(r, word, d->name, options[kind], &d->opts, &arena, &c, sizeof c);
	fl_arena_free(&arena);
	if (rc != 0 || check_stage_count(r, d) != 0)
		return -1;
	flow->from = d->kind == FL_D_SOURCE ? FL_NO_STREAM : c.from;
	flow->to = d->kind == FL_D_SOURCE || d->kind == FL_D_PIPELINE ? c.to : FL_NO_STREAM;
	flow->newest = c.start == 1;
	flow->opts = fl_value_copy(&d->opts);
	return check_stages(r, plan, d, flow);
}

static int check_flows(struct fl_reading *r, struct fl_plan *plan)
{
	plan->flow = fl_alloc((r->decls + 1) * sizeof *plan->flow);
	for (uint32_t i = 0; i < r->decls; i++) {
		const struct fl_decl *d = &r->decl[i];
		if (d->kind < FL_D_SOURCE || d->kind > FL_D_WEB)
			continue;
		if (check_flow(r, plan, d, &plan->flow[plan->flows++]) != 0)
			return -1;
	}
	return 0;
}

int fl_check_plan(struct fl_reading *r, struct fl_plan *plan, struct fl_buf *warn)
{
	if (!r->app)
		return fl_reading_fail(r, 1, "the conf does not say which app it is: begin it with app \"name\"");
	plan->app = fl_strdup(r->app);
	if (check_streams(r, plan) != 0 || check_general(r, plan) != 0 || check_flows(r, plan) != 0)
		return -1;
	fl_check_use(r, plan, warn);
	return 0;
}
