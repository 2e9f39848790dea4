/* The plan as a mermaid flowchart, for documents: streams are cylinders, a flow is a box with its stages. Used by check. */
#include <string.h>

#include "private.h"

/* Text within quotes: what mermaid or HTML would read is written as an entity. */
static void label(const char *text, struct fl_buf *out)
{
	struct fl_buf shown = {0};
	fl_show_text(text, &shown);
	for (size_t i = 0; i < shown.len; i++) {
		unsigned char c = (unsigned char)shown.p[i];
		if (c < ' ' || strchr("\"#&;<>`\\", c))
			fl_buf_printf(out, "#%d;", c);
		else
			fl_buf_byte(out, (char)c);
	}
	fl_buf_free(&shown);
}

static void stage_node(uint32_t flow, uint32_t k, const struct fl_plan_stage *st, struct fl_buf *out)
{
	fl_buf_printf(out, "    f%u_%u[\"%s ", flow, k, st->kind == FL_STAGE_PLUGIN ? "plugin" : "script");
	label(st->name, out);
	struct fl_buf value = {0};
	for (uint32_t i = 0; i < st->opts.n; i++) {
		value.len = 0;
		fl_show_value(&st->opts.item[i], 1, &value);
		fl_buf_byte(&value, 0);
		FL_BUF_LIT(out, "<br/>");
		label(st->opts.item[i].name, out);
		FL_BUF_LIT(out, " = ");
		label(value.p, out);
	}
	fl_buf_free(&value);
	FL_BUF_LIT(out, "\"]\n");
}

static void side_arrows(uint32_t flow, uint32_t k, const struct fl_value *v, struct fl_buf *out)
{
	if (v->kind == FL_V_STREAM)
		fl_buf_printf(out, "  f%u_%u -.-> s%u\n", flow, k, (uint32_t)v->number);
	for (uint32_t i = 0; i < v->n; i++)
		side_arrows(flow, k, &v->item[i], out);
}

static void flow_box(const struct fl_plan *plan, uint32_t f, struct fl_buf *out)
{
	const struct fl_plan_flow *flow = &plan->flow[f];
	fl_buf_printf(out, "  subgraph f%u[\"%s ", f, fl_flow_word(flow->kind));
	label(flow->name, out);
	FL_BUF_LIT(out, "\"]\n");
	for (uint32_t k = 0; k < flow->stages; k++)
		stage_node(f, k, &flow->stage[k], out);
	uint32_t nodes = flow->stages;
	if (!nodes) { /* a box needs a node for its arrows */
		const struct fl_value *page = fl_value_get(&flow->opts, "page");
		fl_buf_printf(out, "    f%u_0[\"%s", f, page ? "page " : "as it is");
		label(page && page->text ? page->text : "", out);
		FL_BUF_LIT(out, "\"]\n");
		nodes = 1;
	}
	for (uint32_t k = 1; k < nodes; k++)
		fl_buf_printf(out, "    f%u_%u --> f%u_%u\n", f, k - 1, f, k);
	FL_BUF_LIT(out, "  end\n");
	if (flow->from != FL_NO_STREAM)
		fl_buf_printf(out, "  s%u --> f%u_0\n", flow->from, f);
	if (flow->to != FL_NO_STREAM)
		fl_buf_printf(out, "  f%u_%u --> s%u\n", f, nodes - 1, flow->to);
	for (uint32_t k = 0; k < flow->stages; k++)
		side_arrows(f, k, &flow->stage[k].opts, out);
}

void fl_plan_mermaid(const struct fl_plan *plan, struct fl_buf *out)
{
	FL_BUF_LIT(out, "flowchart LR\n");
	for (uint32_t i = 0; i < plan->streams; i++) {
		fl_buf_printf(out, "  s%u[(\"", i);
		label(plan->stream[i].name, out);
		FL_BUF_LIT(out, "\")]\n");
	}
	for (uint32_t f = 0; f < plan->flows; f++)
		flow_box(plan, f, out);
}
