/* Confs of any bytes: read offline (no file, no environment, no plugin), drawn in every way, compared with themselves. */
#include <stdint.h>
#include <stdlib.h>

#include "plan/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void draw(const struct fl_plan *plan)
{
	struct fl_buf out = {0};
	fl_plan_text(plan, &out, 1);
	fl_plan_mermaid(plan, &out);
	fl_plan_json(plan, &out);
	out.len = 0;
	fl_plan_compare(plan, plan, &out);
	FL_ASSERT(out.len == 0);
	fl_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[FL_ERRLEN] = "";
	struct fl_buf warn = {0};
	char *text = malloc(size + 1); /* exactly as long as it is, for the sanitizer */
	if (!text)
		return 0;
	for (size_t i = 0; i < size; i++)
		text[i] = (char)data[i];
	text[size] = 0;
	struct fl_plan *plan = fl_plan_of_text("fuzz.lua", (struct fl_str){text, (uint32_t)size}, FL_TEXT_ALONE, &warn, err);
	FL_ASSERT(plan || err[0]);
	if (plan)
		draw(plan);
	fl_plan_free(plan);
	fl_buf_free(&warn);
	free(text);
	return 0;
}
