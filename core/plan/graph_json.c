/* The plan as JSON, with every field, for programs. Used by check and the API. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../event/json.h"
#include "../event/number.h"
#include "private.h"

static void string(const char *text, struct fl_buf *out)
{
	struct fl_buf shown = {0};
	if (!text) {
		FL_BUF_LIT(out, "null");
		return;
	}
	fl_show_text(text, &shown); /* masked before it is escaped, so that escapes hide no secret */
	if (fl_json_string(out, (struct fl_str){shown.p ? shown.p : "", (uint32_t)shown.len}) != 0)
		FL_BUF_LIT(out, "\"?\"");
	fl_buf_free(&shown);
}

static void key(const char *name, struct fl_buf *out)
{
	if (out->len && out->p[out->len - 1] != '{')
		fl_buf_byte(out, ',');
	string(name, out);
	fl_buf_byte(out, ':');
}

static void text(const char *name, const char *value, struct fl_buf *out)
{
	key(name, out);
	string(value, out);
}

/* A number that is a secret, such as a port, is a masked text. */
static void number_value(double d, struct fl_buf *out)
{
	char plain[FL_NUMBER_MAX + 1], masked[FL_NUMBER_MAX + 1];
	if (!isfinite(d)) {
		FL_BUF_LIT(out, "null");
		return;
	}
	plain[fl_number_write(plain, d)] = 0;
	memcpy(masked, plain, sizeof masked);
	fl_secret_mask(masked);
	if (strcmp(plain, masked) != 0)
		string(masked, out);
	else
		fl_buf_add(out, plain, strlen(plain));
}

static void number(const char *name, double d, struct fl_buf *out)
{
	key(name, out);
	number_value(d, out);
}

static void value(const struct fl_value *v, struct fl_buf *out)
{
	switch (v->kind) {
	case FL_V_NIL: FL_BUF_LIT(out, "null"); break;
	case FL_V_BOOL: fl_buf_printf(out, "%s", v->number != 0 ? "true" : "false"); break;
	case FL_V_NUMBER: number_value(v->number, out); break;
	case FL_V_STRING: string(v->text, out); break;
	case FL_V_STREAM:
	case FL_V_WORD:
		FL_BUF_LIT(out, "{");
		text(v->kind == FL_V_STREAM ? "stream" : v->word, v->text, out);
		FL_BUF_LIT(out, "}");
		break;
	case FL_V_LIST:
		FL_BUF_LIT(out, "[");
		for (uint32_t i = 0; i < v->n; i++) {
			fl_buf_printf(out, "%s", i ? "," : "");
			value(&v->item[i], out);
		}
		FL_BUF_LIT(out, "]");
		break;
	case FL_V_MAP:
		FL_BUF_LIT(out, "{");
		for (uint32_t i = 0; i < v->n; i++) {
			key(v->item[i].name, out);
			value(&v->item[i], out);
		}
		FL_BUF_LIT(out, "}");
		break;
	}
}

static void map(const char *name, const struct fl_value *v, struct fl_buf *out)
{
	key(name, out);
	if (v->kind == FL_V_MAP)
		value(v, out);
	else
		FL_BUF_LIT(out, "{}");
}

static void stream(const struct fl_plan *plan, uint32_t i, struct fl_buf *out)
{
	const struct fl_plan_stream *s = &plan->stream[i];
	FL_BUF_LIT(out, "{");
	text("name", s->name, out);
	key("line", out);
	if (s->line)
		fl_buf_printf(out, "%d", s->line);
	else
		FL_BUF_LIT(out, "null");
	text("role", i == plan->late ? "late" : i == plan->dlq ? "dead_letters" : NULL, out);
	number("partitions", s->partitions, out);
	text("key", s->key, out);
	key("time", out);
	if (s->time.field) {
		FL_BUF_LIT(out, "{");
		text("field", s->time.field, out);
		number("unit", s->time.unit, out);
		text("format", s->time.format, out);
		FL_BUF_LIT(out, "}");
	} else {
		FL_BUF_LIT(out, "null");
	}
	text("codec", s->codec->name, out);
	number("record", s->limits.record ? s->limits.record : 1 << 20, out);
	number("depth", s->limits.depth ? s->limits.depth : 64, out);
	text("validate", s->limits.full ? "full" : "used", out);
	number("keep", s->keep_age, out);
	number("keep_bytes", (double)s->keep_bytes, out);
	FL_BUF_LIT(out, "}");
}

static void stage(const struct fl_plan_stage *st, struct fl_buf *out)
{
	FL_BUF_LIT(out, "{");
	text("kind", st->kind == FL_STAGE_PLUGIN ? "plugin" : "script", out);
	text("name", st->name, out);
	text("id", st->id, out);
	text("path", st->path, out);
	number("line", st->line, out);
	map("options", &st->opts, out);
	if (st->kind == FL_STAGE_SCRIPT) {
		text("root", st->root, out);
		number("memory", (double)st->memory, out);
		number("fuel", (double)st->fuel, out);
		number("rate", st->rate, out);
	} else {
		text("version", st->module ? st->module->plugin->version : NULL, out);
	}
	FL_BUF_LIT(out, "}");
}

static void flow(const struct fl_plan *plan, const struct fl_plan_flow *f, struct fl_buf *out)
{
	const struct fl_value *page = fl_value_get(&f->opts, "page");
	FL_BUF_LIT(out, "{");
	text("kind", fl_flow_word(f->kind), out);
	text("name", f->name, out);
	number("line", f->line, out);
	text("from", f->from == FL_NO_STREAM ? NULL : fl_show_stream(plan, f->from), out);
	text("to", f->to == FL_NO_STREAM ? NULL : fl_show_stream(plan, f->to), out);
	text("start", f->newest ? "newest" : "oldest", out);
	text("page", page ? page->text : NULL, out);
	key("stages", out);
	FL_BUF_LIT(out, "[");
	for (uint32_t k = 0; k < f->stages; k++) {
		fl_buf_printf(out, "%s", k ? "," : "");
		stage(&f->stage[k], out);
	}
	FL_BUF_LIT(out, "]}");
}

void fl_plan_json(const struct fl_plan *plan, struct fl_buf *out)
{
	FL_BUF_LIT(out, "{");
	text("app", plan->app, out);
	text("file", plan->file, out);
	text("scripts", plan->scripts, out);
	text("durability", plan->power ? "power" : "default", out);
	number("state_memory", (double)plan->state_memory, out);
	key("streams", out);
	FL_BUF_LIT(out, "[");
	for (uint32_t i = 0; i < plan->streams; i++) {
		fl_buf_printf(out, "%s", i ? "," : "");
		stream(plan, i, out);
	}
	FL_BUF_LIT(out, "]");
	key("flows", out);
	FL_BUF_LIT(out, "[");
	for (uint32_t i = 0; i < plan->flows; i++) {
		fl_buf_printf(out, "%s", i ? "," : "");
		flow(plan, &plan->flow[i], out);
	}
	FL_BUF_LIT(out, "]");
	map("option", &plan->option, out);
	map("kafka", &plan->kafka, out);
	FL_BUF_LIT(out, "}\n");
}
