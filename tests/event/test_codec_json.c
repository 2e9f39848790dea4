/* Records that are JSON objects: what the columns hold, and what comes out again. */
#include "batch_helper.h"

static void test_reads_types(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "n s b z o a i u", NULL);
	batch_load(&b, "{\"n\":-1.5,\"s\":\"x\\ny\",\"b\":true,\"z\":null,\"o\":{\"k\":[]},\"a\":[1,2],\"i\":9223372036854775807,\"u\":18446744073709551615}");
	assert_int_equal(b.ev->b.outcome[0], FL_PASS);
	assert_int_equal(batch_type(&b, "n"), FL_NUMBER);
	assert_true(batch_cell(&b, "n")->num[0] == -1.5);
	assert_string_equal(batch_text(&b, "s"), "x\ny");
	assert_int_equal(batch_type(&b, "b"), FL_BOOL);
	assert_int_equal(batch_type(&b, "z"), FL_NULL);
	assert_string_equal(batch_text(&b, "o"), "{\"k\":[]}");
	assert_string_equal(batch_text(&b, "a"), "[1,2]");
	assert_int_equal(batch_type(&b, "i"), FL_BIGINT);
	assert_string_equal(batch_text(&b, "i"), "9223372036854775807");
	assert_int_equal(batch_type(&b, "u"), FL_BIGINT);
	batch_close(&b);
}

static void test_appends_and_replaces(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "x new id", NULL);
	batch_load(&b, "{\"id\":\"a\", \"x\":1.0 ,\"y\":[] }");
	assert_string_equal(batch_out(&b), "{\"id\":\"a\", \"x\":1.0 ,\"y\":[] }");
	fl_events_set_number(b.ev, batch_col(&b, "new"), 0, 2.5);
	fl_events_set_number(b.ev, batch_col(&b, "x"), 0, 3.0);
	assert_string_equal(batch_out(&b), "{\"id\":\"a\", \"x\":3 ,\"y\":[] ,\"new\":2.5}");
	fl_events_remove(b.ev, batch_col(&b, "id"), 0);
	assert_string_equal(batch_out(&b), "{\"x\":3 ,\"y\":[] ,\"new\":2.5}");
	batch_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_types),
		cmocka_unit_test(test_appends_and_replaces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
