/* What differs between two plans, a line a change: for a reload's log, and to know what has to be made anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

struct comparing {
	const struct fl_plan *was, *is;
	struct fl_buf *out;
	char *where; /* "pipeline enrich: stage speed" */
};

static void text_changed(struct comparing *c, const char *what, const char *was, const char *is)
{
	if (was == is || (was && is && strcmp(was, is) == 0))
		return;
	fl_show_text(c->where, c->out);
	fl_buf_printf(c->out, ": %s ", what);
	fl_show_text(is ? is : "not given", c->out);
	FL_BUF_LIT(c->out, ", was ");
	fl_show_text(was ? was : "not given", c->out);
	FL_BUF_LIT(c->out, "\n");
}

static void number_changed(struct comparing *c, const char *what, double was, double is)
{
	char before[40], after[40];
	snprintf(before, sizeof before, "%.17g", was);
	snprintf(after, sizeof after, "%.17g", is);
	text_changed(c, what, before, after);
}

/* Streams in values are compared by name: their index may be another one. */
static int same(const struct fl_value *a, const struct fl_value *b)
{
	struct fl_buf was = {0}, is = {0};
	fl_show_value(a, 0, &was);
	fl_show_value(b, 0, &is);
	int rc = was.len == is.len && memcmp(was.p, is.p, was.len) == 0;
	fl_buf_free(&was);
	fl_buf_free(&is);
	return rc;
}

static char *shown(const struct fl_value *v)
{
	struct fl_buf b = {0};
	if (!v)
		return fl_strdup("not given");
	if (v->kind == FL_V_STRING)
		fl_show_text(v->text, &b);
	else
		fl_show_value(v, 1, &b);
	fl_buf_byte(&b, 0);
	return b.p;
}

static void value_changed(struct comparing *c, const char *name, const struct fl_value *was, const struct fl_value *is)
{
	if (was && is && same(was, is))
		return;
	char *before = shown(was), *after = shown(is);
	fl_show_text(c->where, c->out);
	FL_BUF_LIT(c->out, ": ");
	fl_show_text(name, c->out);
	if (strcmp(before, after) == 0)
		FL_BUF_LIT(c->out, " is another secret\n");
	else
		fl_buf_printf(c->out, " %s, was %s\n", after, before);
	free(before);
	free(after);
}

static void values_changed(struct comparing *c, const struct fl_value *was, const struct fl_value *is)
{
	for (uint32_t i = 0; i < is->n; i++)
		value_changed(c, is->item[i].name, fl_value_get(was, is->item[i].name), &is->item[i]);
	for (uint32_t i = 0; i < was->n; i++)
		if (!fl_value_get(is, was->item[i].name))
			value_changed(c, was->item[i].name, &was->item[i], NULL);
}

static void stands_here(struct comparing *c, char *where)
{
	free(c->where);
	c->where = where;
}

static void said(struct comparing *c, const char *what)
{
	fl_show_text(c->where, c->out);
	fl_buf_printf(c->out, ": %s\n", what);
}

static void stream_changed(struct comparing *c, const struct fl_plan_stream *was, const struct fl_plan_stream *is)
{
	number_changed(c, "partitions", was->partitions, is->partitions);
	text_changed(c, "key", was->key, is->key);
	text_changed(c, "time", was->time.field, is->time.field);
	number_changed(c, "unit of time", was->time.unit, is->time.unit);
	text_changed(c, "format of time", was->time.format, is->time.format);
	text_changed(c, "codec", was->codec->name, is->codec->name);
	number_changed(c, "record", was->limits.record, is->limits.record);
	number_changed(c, "depth", was->limits.depth, is->limits.depth);
	text_changed(c, "validate", was->limits.full ? "full" : "used", is->limits.full ? "full" : "used");
	number_changed(c, "keep", was->keep_age, is->keep_age);
	number_changed(c, "keep_bytes", (double)was->keep_bytes, (double)is->keep_bytes);
}

static void streams_changed(struct comparing *c)
{
	for (uint32_t i = 0; i < c->is->streams; i++) {
		const struct fl_plan_stream *is = &c->is->stream[i];
		uint32_t at = fl_plan_stream_find(c->was, fl_str(is->name));
		stands_here(c, fl_printf("stream %s", is->name));
		if (at == FL_NO_STREAM)
			said(c, "is new");
		else
			stream_changed(c, &c->was->stream[at], is);
	}
	for (uint32_t i = 0; i < c->was->streams; i++) {
		stands_here(c, fl_printf("stream %s", c->was->stream[i].name));
		if (fl_plan_stream_find(c->is, fl_str(c->was->stream[i].name)) == FL_NO_STREAM)
			said(c, "is gone");
	}
}

static const struct fl_plan_stage *stage_of(const struct fl_plan_flow *flow, const char *id)
{
	for (uint32_t k = 0; k < flow->stages; k++)
		if (strcmp(flow->stage[k].id, id) == 0)
			return &flow->stage[k];
	return NULL;
}

static void stage_changed(struct comparing *c, const struct fl_plan_stage *was, const struct fl_plan_stage *is)
{
	text_changed(c, "runs", was->name, is->name);
	text_changed(c, "file", was->path, is->path);
	number_changed(c, "memory", (double)was->memory, (double)is->memory);
	number_changed(c, "fuel", (double)was->fuel, (double)is->fuel);
	number_changed(c, "rate", was->rate, is->rate);
	values_changed(c, &was->opts, &is->opts);
}

static int same_order(const struct fl_plan_flow *was, const struct fl_plan_flow *is)
{
	for (uint32_t k = 0; k < is->stages && k < was->stages; k++)
		if (strcmp(was->stage[k].id, is->stage[k].id) != 0)
			return 0;
	return was->stages == is->stages;
}

static void flow_changed(struct comparing *c, const struct fl_plan_flow *was, const struct fl_plan_flow *is)
{
	const char *word = fl_flow_word(is->kind);
	int kept = 0;
	text_changed(c, "kind", fl_flow_word(was->kind), word);
	text_changed(c, "from", fl_show_stream(c->was, was->from), fl_show_stream(c->is, is->from));
	text_changed(c, "to", fl_show_stream(c->was, was->to), fl_show_stream(c->is, is->to));
	text_changed(c, "start", was->newest ? "newest" : "oldest", is->newest ? "newest" : "oldest");
	if (is->kind == FL_FLOW_WEB)
		value_changed(c, "page", fl_value_get(&was->opts, "page"), fl_value_get(&is->opts, "page"));
	for (uint32_t k = 0; k < is->stages; k++) {
		const struct fl_plan_stage *old = stage_of(was, is->stage[k].id);
		stands_here(c, fl_printf("%s %s: stage %s", word, is->name, is->stage[k].id));
		if (old)
			stage_changed(c, old, &is->stage[k]);
		else
			said(c, "is new");
		kept += old != NULL;
	}
	for (uint32_t k = 0; k < was->stages; k++) {
		stands_here(c, fl_printf("%s %s: stage %s", word, was->name, was->stage[k].id));
		if (!stage_of(is, was->stage[k].id))
			said(c, "is gone");
	}
	stands_here(c, fl_printf("%s %s", word, is->name));
	if (kept == (int)is->stages && is->stages == was->stages && !same_order(was, is))
		said(c, "its stages stand in another order");
}

void fl_plan_compare(const struct fl_plan *was, const struct fl_plan *is, struct fl_buf *out)
{
	struct comparing c = {was, is, out, fl_strdup("plan")};
	text_changed(&c, "app", was->app, is->app);
	stands_here(&c, fl_strdup("option"));
	values_changed(&c, &was->option, &is->option);
	stands_here(&c, fl_strdup("kafka"));
	values_changed(&c, &was->kafka, &is->kafka);
	streams_changed(&c);
	for (uint32_t i = 0; i < is->flows; i++) {
		const struct fl_plan_flow *old = fl_plan_flow_find(was, is->flow[i].name);
		stands_here(&c, fl_printf("%s %s", fl_flow_word(is->flow[i].kind), is->flow[i].name));
		if (old)
			flow_changed(&c, old, &is->flow[i]);
		else
			said(&c, "is new");
	}
	for (uint32_t i = 0; i < was->flows; i++) {
		stands_here(&c, fl_printf("%s %s", fl_flow_word(was->flow[i].kind), was->flow[i].name));
		if (!fl_plan_flow_find(is, was->flow[i].name))
			said(&c, "is gone");
	}
	free(c.where);
}
