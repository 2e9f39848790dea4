/* A walk through a JSON text: what is found in which order, and what is said of a text that is none. */
#include "batch_helper.h"

#include "event/json.h"

/* A letter for each thing found, keys and contents between < and >. */
static const char *walked(const char *text, uint32_t depth)
{
	static char out[1024];
	static const char letter[] = ".!{}[]kstTFN";
	struct fl_buf scratch = {0};
	struct fl_json_walk w;
	size_t n = 0;
	fl_json_walk(&w, fl_str(text), depth, &scratch);
	for (;;) {
		enum fl_json_what what = fl_json_next(&w);
		if (what == FL_J_ERROR) {
			snprintf(out, sizeof out, "%s", w.err);
			assert_int_equal(fl_json_next(&w), FL_J_ERROR);
			break;
		}
		if (what == FL_J_KEY || what == FL_J_STRING || what == FL_J_NUMBER)
			n += (size_t)snprintf(out + n, sizeof out - n, "<%.*s|%.*s>", (int)w.text.len, w.text.p, (int)w.raw.len, w.raw.p);
		else
			out[n++] = letter[what];
		out[n] = 0;
		if (what == FL_J_END)
			break;
	}
	fl_buf_free(&scratch);
	return out;
}

static void test_finds_in_order(void **state)
{
	(void)state;
	assert_string_equal(walked(" {\"a\\u0062\" : [1, -2.5e3 ,\"x\\n\"] , \"\":{} ,\"t\":true,\"f\":false,\"n\":null,\"e\":[ ]} ", 4),
		"{<ab|\"a\\u0062\">[<1|1><-2.5e3|-2.5e3><x\n|\"x\\n\">]<|\"\">{}<t|\"t\">T<f|\"f\">F<n|\"n\">N<e|\"e\">[]}.");
	assert_string_equal(walked("12", 0), "<12|12>.");
	assert_string_equal(walked("[[[]],[]]", 3), "[[[]][]].");
}

static void test_says_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *err;
	} cases[] = {
		{"", "it ends where a value is expected, at byte 0"},
		{"{\"a\":1", "it ends where a comma or } is expected, at byte 6"},
		{"{\"a\" 1}", "'1' stands where a colon is expected, at byte 5"},
		{"{\"a\":1,}", "'}' stands where a key is expected, at byte 7"},
		{"{a:1}", "'a' stands where a key is expected, at byte 1"},
		{"[1 2]", "'2' stands where a comma or ] is expected, at byte 3"},
		{"[1}", "'}' stands where a comma or ] is expected, at byte 2"},
		{"[1,]", "']' stands where a value is expected, at byte 3"},
		{"{} x", "'x' stands where the end is expected, at byte 3"},
		{"tru", "'t' stands where a value is expected, at byte 0"},
		{"01", "a number is not written as JSON has it at byte 0"},
		{"[\"ab]", "a string has no end, it begins at byte 1"},
		{"\"a\nb\"", "a control character stands in a string at byte 2"},
		{"\"\xC3\"", "it is not UTF-8 at byte 1"},
		{"\"\\uD800\"", "an escape is none, or half a surrogate pair, at byte 1"},
		{"[[[[]]]]", "it is nested deeper than 3 at byte 3"},
		{"\x01", "the byte 0x01 stands where a value is expected, at byte 0"},
	};
	(void)state;
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
		assert_string_equal(walked(cases[k].text, 3), cases[k].err);
}

static void test_check(void **state)
{
	char err[FL_ERRLEN], deep[3000];
	(void)state;
	assert_int_equal(fl_json_check(fl_str(" [1, {\"a\\n\":[]}] "), 3, err), 0);
	assert_int_equal(fl_json_check(fl_str("{} {}"), 3, err), -1);
	assert_int_equal(fl_json_check((struct fl_str){0}, 3, err), -1);
	/* 1024 is the most, whatever is asked for */
	memset(deep, '[', 1500);
	memset(deep + 1500, ']', 1500);
	assert_int_equal(fl_json_check((struct fl_str){deep + 476, 2048}, 100000, err), 0);
	assert_int_equal(fl_json_check((struct fl_str){deep + 475, 2050}, 100000, err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_finds_in_order), cmocka_unit_test(test_says_what_is_wrong), cmocka_unit_test(test_check)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
