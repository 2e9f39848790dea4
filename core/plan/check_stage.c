/* A stage of a flow: the plugin or script exists, is of the right kind, and takes its options. And who uses what, for
 * warnings. Called by check.c. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

struct host_conf {
	const char *name;
	int64_t memory, fuel;
	double rate;
};

#define NAME {"name", FL_OPT_STRING, NULL, "what the stage is called", offsetof(struct host_conf, name), NULL}
static const struct fl_option plugin_options[] = {NAME, {0}};
static const struct fl_option script_options[] = {
	NAME,
	{"memory", FL_OPT_SIZE, "64MiB", "the most memory it may have", offsetof(struct host_conf, memory), NULL},
	{"fuel", FL_OPT_INT, "10000000", "loop turns and calls that an event may take", offsetof(struct host_conf, fuel),
	 NULL},
	{"rate", FL_OPT_NUMBER, NULL, "calls of generate a second", offsetof(struct host_conf, rate), NULL},
	{0},
};

static int is_host_option(const struct fl_option *options, const char *name)
{
	for (; options->name; options++)
		if (strcmp(options->name, name) == 0)
			return 1;
	return 0;
}

/* Shares the items with v; only item is to be freed. */
static struct fl_value part_of(const struct fl_value *v, const struct fl_option *options, int hosts)
{
	struct fl_value part = {.kind = FL_V_MAP, .line = v->line, .item = fl_alloc((v->n + 1) * sizeof *part.item)};
	for (uint32_t i = 0; i < v->n && v->kind == FL_V_MAP; i++)
		if (is_host_option(options, v->item[i].name) == hosts)
			part.item[part.n++] = v->item[i];
	return part;
}

static int check_host_conf(struct fl_reading *r, const struct fl_decl *flow, const struct fl_decl *d,
                           const struct host_conf *c)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	const struct fl_value *name = fl_value_get(&d->opts, "name"), *rate = fl_value_get(&d->opts, "rate");
	const char *word = fl_decl_word(d->kind);
	if (name && (!c->name[0] || c->name[0] == '_' || strlen(c->name) > 100 || strspn(c->name, good) != strlen(c->name)))
		return fl_reading_fail(
			r, name->line,
			"a stage can't be called \"%s\": its name has 1 to 100 letters, digits, . _ - and no _ in front", c->name);
	if (d->kind != FL_D_SCRIPT)
		return 0;
	if (rate && flow->kind != FL_D_SOURCE)
		return fl_reading_fail(
			r, rate->line, "option \"rate\" of %s \"%s\" is for scripts of a source; a %s takes events as they come",
			word, d->name, fl_decl_word(flow->kind));
	if (rate && !(c->rate > 0 && c->rate <= 1e9))
		return fl_reading_fail(r, rate->line,
		                       "option \"rate\" of %s \"%s\" takes calls a second, more than 0; found %g", word,
		                       d->name, c->rate);
	if (c->memory < (1 << 20))
		return fl_reading_fail(r, fl_value_get(&d->opts, "memory")->line,
		                       "option \"memory\" of %s \"%s\" is at least \"1MiB\"", word, d->name);
	if (c->fuel < 1)
		return fl_reading_fail(r, fl_value_get(&d->opts, "fuel")->line, "option \"fuel\" of %s \"%s\" is at least 1",
		                       word, d->name);
	return 0;
}

static int fill_host_conf(struct fl_reading *r, const struct fl_decl *flow, const struct fl_decl *d,
                          struct fl_plan_stage *st)
{
	const struct fl_option *options = d->kind == FL_D_SCRIPT ? script_options : plugin_options;
	struct fl_value hosts = part_of(&d->opts, options, 1), own = part_of(&d->opts, options, 0);
	struct fl_arena arena = {0};
	struct host_conf c;
	int rc = fl_check_options(r, fl_decl_word(d->kind), d->name, options, &hosts, &arena, &c, sizeof c);
	if (rc == 0)
		rc = check_host_conf(r, flow, d, &c);
	if (rc == 0 && d->opts.kind == FL_V_LIST)
		rc = fl_reading_fail(r, d->opts_line, "the options of %s \"%s\" take names: write %s \"%s\" { name = value }",
		                     fl_decl_word(d->kind), d->name, fl_decl_word(d->kind), d->name);
	if (rc == 0) {
		st->opts = fl_value_copy(&own);
		st->id = c.name ? fl_strdup(c.name) : NULL;
		st->memory = (size_t)c.memory;
		st->fuel = c.fuel;
		st->rate = c.rate;
	}
	fl_arena_free(&arena);
	free(hosts.item);
	free(own.item);
	return rc;
}

static int wrong_kind(struct fl_reading *r, const struct fl_decl *flow, const struct fl_decl *d, enum fl_kind kind)
{
	static const char *const is[] = {"", "transforms events", "is a sink", "is a source"};
	static const char *const want[] = {"", "a source", "scripts and plugins that transform events",
	                                   "a plugin that is a sink", ""};
	static const char *const place[] = {"", "pipeline \"…\" { from = …, plugin \"%s\" { … }, to = … }",
	                                    "sink \"…\" { from = …, plugin \"%s\" { … } }",
	                                    "source \"…\" { plugin \"%s\" { … }, to = … }"};
	struct fl_buf where = {0};
	fl_buf_printf(&where, "%.*s%s%s", (int)(strstr(place[kind], "%s") - place[kind]), place[kind], d->name,
	              strstr(place[kind], "%s") + 2);
	fl_reading_fail(r, d->line, "plugin \"%s\" %s, and %s \"%s\" takes %s: write %s", d->name, is[kind],
	                fl_decl_word(flow->kind), flow->name, want[flow->kind], where.p);
	fl_buf_free(&where);
	return -1;
}

static int check_plugin(struct fl_reading *r, const struct fl_decl *flow, const struct fl_decl *d,
                        struct fl_plan_stage *st)
{
	static const enum fl_kind wanted[] = {
		[FL_D_SOURCE] = FL_SOURCE, [FL_D_PIPELINE] = FL_TRANSFORM, [FL_D_SINK] = FL_SINK};
	char err[FL_ERRLEN];
	int line = d->line;
	if (!st->id)
		st->id = fl_strdup(d->name);
	if (r->depth != FL_WITH_STAGES)
		return 0;
	st->module = fl_module_load(d->name, err);
	if (!st->module)
		return fl_reading_fail(r, d->line, "%s", err);
	st->path = fl_strdup(st->module->path);
	if (st->module->plugin->kind != wanted[flow->kind])
		return wrong_kind(r, flow, d, st->module->plugin->kind);
	if (fl_options_check(st->module->plugin, &st->opts, &line, err) != 0)
		return fl_reading_fail(r, line ? line : d->line, "%s", err);
	return 0;
}

/* "transforms/enrich.lua" is called enrich; what can't be in the name of a store becomes a dash. */
static char *stem_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *from = slash ? slash + 1 : path, *dot = strrchr(from, '.');
	char *stem = fl_printf("%.*s", (int)(dot && dot > from ? dot - from : (int)strlen(from)), from);
	for (char *p = stem; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *p) ||
		    (p == stem && *p == '_'))
			*p = '-';
	return stem;
}

static int check_script(struct fl_reading *r, const struct fl_plan *plan, const struct fl_decl *flow,
                        const struct fl_decl *d, struct fl_plan_stage *st)
{
	char err[FL_ERRLEN];
	if (flow->kind == FL_D_SINK)
		return fl_reading_fail(r, d->line,
		                       "script \"%s\" can't be a sink: sink \"%s\" takes a plugin that is one; put the script "
		                       "into a pipeline before it",
		                       d->name, flow->name);
	if (!st->id)
		st->id = stem_of(d->name);
	if (r->depth != FL_WITH_STAGES)
		return 0;
	st->path = fl_script_find(r, plan, d->name, d->line, &st->root);
	if (!st->path)
		return -1;
	if (fl_script_compiles(st->path, d->name, err) != 0)
		return fl_reading_fail(r, d->line, "the script does not compile: %s", err);
	return 0;
}

int fl_check_stage(struct fl_reading *r, const struct fl_plan *plan, const struct fl_decl *flow, struct fl_decl *d,
                   struct fl_plan_stage *st)
{
	*st = (struct fl_plan_stage){.kind = d->kind == FL_D_SCRIPT ? FL_STAGE_SCRIPT : FL_STAGE_PLUGIN,
	                             .name = fl_strdup(d->name),
	                             .line = d->line};
	if (fill_host_conf(r, flow, d, st) != 0)
		return -1;
	return d->kind == FL_D_SCRIPT ? check_script(r, plan, flow, d, st) : check_plugin(r, flow, d, st);
}

/* ---- who uses what --------------------------------------------------------------------------------------------- */

static int has_stream(const struct fl_value *v, uint32_t stream)
{
	if (v->kind == FL_V_STREAM && (uint32_t)v->number == stream)
		return 1;
	for (uint32_t i = 0; i < v->n; i++)
		if (has_stream(&v->item[i], stream))
			return 1;
	return 0;
}

static int stage_writes(const struct fl_plan *plan, const struct fl_plan_stage *st, uint32_t stream)
{
	if (has_stream(&st->opts, stream))
		return 1;
	return st->kind == FL_STAGE_SCRIPT && st->path && fl_script_mentions(st->path, plan->stream[stream].name);
}

static void check_stream_use(struct fl_reading *r, const struct fl_plan *plan, uint32_t stream, struct fl_buf *warn)
{
	const struct fl_plan_stream *s = &plan->stream[stream];
	int is_read = 0, is_written = 0;
	for (uint32_t i = 0; i < plan->flows; i++) {
		const struct fl_plan_flow *flow = &plan->flow[i];
		is_read |= flow->from == stream;
		is_written |= flow->to == stream;
		for (uint32_t k = 0; k < flow->stages && !is_written; k++)
			is_written = stage_writes(plan, &flow->stage[k], stream);
	}
	if (!is_read)
		fl_buf_printf(warn, "%s:%d: nobody reads stream \"%s\"; fairlead tail can\n", r->file, s->line, s->name);
	if (!is_written)
		fl_buf_printf(warn, "%s:%d: nobody writes to stream \"%s\"; fairlead send can\n", r->file, s->line, s->name);
}

void fl_check_use(struct fl_reading *r, const struct fl_plan *plan, struct fl_buf *warn)
{
	for (uint32_t i = 0; i < plan->streams; i++)
		if (plan->stream[i].line && i != plan->late && i != plan->dlq)
			check_stream_use(r, plan, i, warn);
	for (uint32_t i = 0; i < r->decls; i++) {
		const struct fl_decl *d = &r->decl[i];
		if ((d->kind == FL_D_PLUGIN || d->kind == FL_D_SCRIPT) && !d->used)
			fl_buf_printf(warn, "%s:%d: %s \"%s\" stands in no source, pipeline or sink\n", r->file, d->line,
			              fl_decl_word(d->kind), d->name);
	}
	if (!plan->flows)
		fl_buf_printf(warn, "%s:1: the conf has no source, pipeline, sink or web\n", r->file);
}
