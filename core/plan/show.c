/* Values and names of a plan as texts for people, secrets masked. Used by the graphs and the comparison. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../event/number.h"
#include "private.h"

const char *fl_flow_word(enum fl_flow_kind kind)
{
	static const char *const word[] = {"source", "pipeline", "sink", "web"};
	return word[kind];
}

const char *fl_show_stream(const struct fl_plan *plan, uint32_t stream)
{
	return stream == FL_NO_STREAM ? "-" : plan->stream[stream].name;
}

void fl_show_text(const char *text, struct fl_buf *out)
{
	char *copy = fl_strdup(text);
	fl_secret_mask(copy);
	fl_buf_add(out, copy, strlen(copy));
	free(copy);
}

static void quoted(const char *text, int mask, struct fl_buf *out)
{
	char *copy = fl_strdup(text);
	if (mask)
		fl_secret_mask(copy);
	fl_buf_byte(out, '"');
	for (const char *p = copy; *p; p++) {
		if (*p == '"' || *p == '\\')
			fl_buf_byte(out, '\\');
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			fl_buf_printf(out, "\\%03d", *p); /* as Lua writes it; a terminal must not see it */
		else
			fl_buf_byte(out, *p);
	}
	fl_buf_byte(out, '"');
	free(copy);
}

static void number(double d, int mask, struct fl_buf *out)
{
	char text[FL_NUMBER_MAX + 1];
	if (!isfinite(d)) {
		fl_buf_printf(out, "%s", isnan(d) ? "0/0" : d > 0 ? "1/0" : "-1/0");
		return;
	}
	text[fl_number_write(text, d)] = 0;
	if (mask)
		fl_secret_mask(text);
	fl_buf_add(out, text, strlen(text));
}

void fl_show_value(const struct fl_value *v, int mask, struct fl_buf *out)
{
	switch (v->kind) {
	case FL_V_NIL: FL_BUF_LIT(out, "nil"); break;
	case FL_V_BOOL: fl_buf_printf(out, "%s", v->number != 0 ? "true" : "false"); break;
	case FL_V_NUMBER: number(v->number, mask, out); break;
	case FL_V_STRING: quoted(v->text, mask, out); break;
	case FL_V_STREAM: fl_show_text(v->text, out); break;
	case FL_V_WORD:
		fl_buf_printf(out, "%s ", v->word);
		quoted(v->text, mask, out);
		break;
	case FL_V_LIST:
	case FL_V_MAP:
		FL_BUF_LIT(out, "{");
		for (uint32_t i = 0; i < v->n; i++) {
			fl_buf_printf(out, "%s", i ? ", " : " ");
			if (v->item[i].name) {
				fl_show_text(v->item[i].name, out);
				FL_BUF_LIT(out, " = ");
			}
			fl_show_value(&v->item[i], mask, out);
		}
		fl_buf_printf(out, "%s", v->n ? " }" : "}");
		break;
	}
}
