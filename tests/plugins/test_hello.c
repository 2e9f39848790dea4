/* plugins/hello.c, the example: what its comments say it does. */
#include "stage.h"

static void make(struct stage *s, double least)
{
	stage_new(s, "hello", &fl_codec_json);
	stage_text(s, "field", "x");
	stage_number(s, "least", least);
}

static int send(struct stage *s, const char *key, const char *json)
{
	stage_begin(s, "in", 0);
	stage_add(s, 0, 0, key, json);
	stage_decode(s);
	stage_process(s);
	return stage_outcome(s, 0);
}

static void test_only_news_passes(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, 2);
	stage_must_open(&s);
	assert_int_equal(send(&s, "a", "{\"x\":10}"), FL_PASS);
	assert_true(stage_column(&s, "change")->num[0] == 0);
	assert_int_equal(send(&s, "a", "{\"x\":11}"), FL_DROP);
	assert_string_equal(stage_reason(&s, 0), "no news");
	assert_int_equal(send(&s, "b", "{\"x\":11}"), FL_PASS);
	assert_int_equal(send(&s, "a", "{\"x\":8}"), FL_PASS); /* by 2 from the one that passed */
	assert_true(stage_column(&s, "change")->num[0] == -2);
	stage_shut(&s);
	stage_must_open(&s);
	assert_int_equal(send(&s, "a", "{\"x\":9}"), FL_DROP);
	stage_end(&s);
}

static void test_no_number_no_key(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, 2);
	stage_must_open(&s);
	assert_int_equal(send(&s, "a", "{\"x\":\"10\"}"), FL_REJECT);
	assert_string_equal(stage_reason(&s, 0), "field \"x\" is no number");
	assert_int_equal(send(&s, NULL, "{\"x\":10}"), FL_REJECT);
	stage_end(&s);
}

static void test_least_below_zero_is_refused(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, -1);
	assert_int_equal(stage_open(&s), -1);
	assert_non_null(strstr(s.err, "least is -1"));
	stage_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_news_passes),
		cmocka_unit_test(test_no_number_no_key),
		cmocka_unit_test(test_least_below_zero_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
