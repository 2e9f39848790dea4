/* plugins/lateness.c against what is documented, and against a naive model on random events. */
#include "stage.h"

#include "base/metric.h"

static void make(struct stage *s) { stage_new(s, "lateness", &fl_codec_json); }

static int late(struct stage *s, double time, const char *key)
{
	stage_begin(s, "raw", 0);
	stage_add(s, 0, time, key, "{}");
	stage_decode(s);
	stage_process(s);
	return stage_outcome(s, 0);
}

static void test_late_is_not_after_the_highest_of_its_key(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_stream(&s, "to", 3);
	stage_must_open(&s);
	assert_int_equal(late(&s, 10, "a"), FL_PASS);
	assert_int_equal(late(&s, 10, "a"), FL_LATE); /* time <= highest */
	assert_int_equal(stage_why(&s, 0)->stream, 3);
	assert_int_equal(late(&s, 9, "a"), FL_LATE);
	assert_int_equal(late(&s, 10.5, "a"), FL_PASS);
	assert_int_equal(late(&s, 10.25, "a"), FL_LATE);
	assert_int_equal(late(&s, -5, "b"), FL_PASS); /* the first of its key, however old */
	assert_int_equal(late(&s, -5.5, "b"), FL_LATE);
	assert_int_equal(late(&s, 0, "b"), FL_PASS);
	stage_end(&s);
}

static void test_first_event_at_time_zero_or_below(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	assert_int_equal(late(&s, 0, "a"), FL_PASS);
	assert_int_equal(late(&s, 0, "a"), FL_LATE);
	assert_int_equal(stage_why(&s, 0)->stream, FL_NO_STREAM);
	assert_int_equal(late(&s, -1e300, "b"), FL_PASS);
	assert_int_equal(late(&s, 1e300, "b"), FL_PASS);
	stage_end(&s);
}

static void test_allow_moves_the_line(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_text(&s, "allow", "2s");
	stage_must_open(&s);
	assert_int_equal(late(&s, 100, "a"), FL_PASS);
	assert_int_equal(late(&s, 98.5, "a"), FL_PASS);
	assert_int_equal(late(&s, 98, "a"), FL_LATE);
	assert_int_equal(late(&s, 100, "a"), FL_PASS);
	stage_end(&s);
}

static void test_by_partition_has_one_highest(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_text(&s, "by", "partition");
	stage_must_open(&s);
	assert_int_equal(late(&s, 100, "a"), FL_PASS);
	assert_int_equal(late(&s, 99, "b"), FL_LATE);
	assert_int_equal(late(&s, 101, NULL), FL_PASS);
	assert_int_equal(late(&s, 100.5, "a"), FL_LATE);
	stage_shut(&s);
	stage_must_open(&s); /* and it is kept */
	assert_int_equal(late(&s, 101, "c"), FL_LATE);
	assert_int_equal(late(&s, 102, "c"), FL_PASS);
	stage_end(&s);
}

static void test_what_was_seen_outlives_the_instance(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	assert_int_equal(late(&s, 50, "a"), FL_PASS);
	stage_shut(&s);
	stage_must_open(&s);
	assert_int_equal(late(&s, 50, "a"), FL_LATE);
	stage_end(&s);
}

static void test_a_late_event_changes_no_state(void **arg)
{
	struct stage s;
	uint32_t len;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	late(&s, 50, "a");
	struct fl_store *store = fl_state_store(s.state, "flow.lateness", 0, s.err);
	const void *was = fl_store_get(store, fl_str("a"), fl_key_hash(fl_str("a")), &len);
	char before[64];
	assert_true(len <= sizeof before);
	memcpy(before, was, len);
	late(&s, 40, "a");
	assert_memory_equal(before, fl_store_get(store, fl_str("a"), fl_key_hash(fl_str("a")), &len), len);
	stage_end(&s);
}

static void test_records_without_a_key_are_rejected(void **arg)
{
	struct stage s;
	char key[600];
	(void)arg;
	make(&s);
	stage_must_open(&s);
	assert_int_equal(late(&s, 1, NULL), FL_REJECT);
	assert_non_null(strstr(stage_reason(&s, 0), "no key"));
	assert_non_null(strstr(stage_reason(&s, 0), "raw"));
	memset(key, 'k', sizeof key);
	key[FL_KEY_MAX] = 0;
	assert_int_equal(late(&s, 1, key), FL_PASS);
	key[FL_KEY_MAX] = 'k';
	key[FL_KEY_MAX + 1] = 0;
	assert_int_equal(late(&s, 1, key), FL_REJECT);
	stage_end(&s);
}

static void test_events_of_another_outcome_are_left_alone(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	stage_begin(&s, "raw", 0);
	stage_add(&s, 0, 100, "a", "{}");
	stage_add(&s, 1, 1, "a", "{}");
	stage_decode(&s);
	fl_events_drop(s.ev, 0, "before", fl_str("no"));
	stage_process(&s);
	assert_int_equal(stage_outcome(&s, 0), FL_DROP);
	assert_int_equal(stage_outcome(&s, 1), FL_PASS); /* the dropped one raised nothing */
	stage_end(&s);
}

static void test_state_of_another_version_is_an_error(void **arg)
{
	struct stage s;
	uint32_t strange[4] = {77, 0, 0, 0};
	(void)arg;
	make(&s);
	stage_must_open(&s);
	struct fl_store *store = fl_state_store(s.state, "flow.lateness", 0, s.err);
	fl_store_put(store, fl_str("a"), fl_key_hash(fl_str("a")), strange, sizeof strange);
	stage_begin(&s, "raw", 0);
	stage_add(&s, 0, 1, "a", "{}");
	stage_decode(&s);
	assert_int_equal(fl_instance_process(s.in, s.ev, s.err), -1);
	assert_non_null(strstr(s.err, "version 77"));
	stage_end(&s);
}

static void test_allow_below_zero_is_refused(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_text(&s, "allow", "-1s");
	assert_int_equal(stage_open(&s), -1);
	assert_non_null(strstr(s.err, "allow"));
	stage_end(&s);
}

static void test_both_are_counted_by_key(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	late(&s, 1, "counted");
	late(&s, 2, "counted");
	late(&s, 2, "counted");
	fl_instance_settle(s.in);
	assert_int_equal(fl_metric_sum("fairlead_lateness_on_time_total", "key=\"counted\""), 2);
	assert_int_equal(fl_metric_sum("fairlead_lateness_late_total", "key=\"counted\""), 1);
	stage_end(&s);
}

#define KEYS 37
static void random_events(const char *by, const char *allowed, double allow)
{
	struct stage s;
	double highest[KEYS];
	int seen[KEYS] = {0};
	int lates = 0;
	make(&s);
	stage_text(&s, "by", by);
	stage_text(&s, "allow", allowed);
	stage_must_open(&s);
	for (int round = 0; round < 60; round++) {
		int want[STAGE_EVENTS];
		stage_begin(&s, "raw", 0);
		for (int i = 0; i < STAGE_EVENTS; i++) {
			char key[8];
			uint32_t k = stage_random(KEYS), of = by[0] == 'k' ? k : 0;
			double t = round * 10 + (double)stage_random(80) / 4;
			if (stage_random(50) == 0)
				t -= stage_random(1000000);
			snprintf(key, sizeof key, "%u", k);
			stage_add(&s, i, t, key, "{\"x\":1}");
			want[i] = seen[of] && t <= highest[of] - allow ? FL_LATE : FL_PASS;
			if (!seen[of] || t > highest[of])
				highest[of] = t;
			seen[of] = 1;
			lates += want[i] == FL_LATE;
		}
		stage_decode(&s);
		stage_process(&s);
		for (uint32_t i = 0; i < STAGE_EVENTS; i++)
			assert_int_equal(stage_outcome(&s, i), want[i]);
		if (round % 20 == 19) {
			stage_shut(&s);
			stage_must_open(&s);
		}
	}
	assert_true(lates > 100);
	stage_end(&s);
}

static void test_random_by_key(void **arg)
{
	(void)arg;
	random_events("key", "0s", 0);
	random_events("key", "3250ms", 3.25);
}

static void test_random_by_partition(void **arg)
{
	(void)arg;
	random_events("partition", "0s", 0);
	random_events("partition", "3250ms", 3.25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_is_not_after_the_highest_of_its_key),
		cmocka_unit_test(test_first_event_at_time_zero_or_below),
		cmocka_unit_test(test_allow_moves_the_line),
		cmocka_unit_test(test_by_partition_has_one_highest),
		cmocka_unit_test(test_what_was_seen_outlives_the_instance),
		cmocka_unit_test(test_a_late_event_changes_no_state),
		cmocka_unit_test(test_records_without_a_key_are_rejected),
		cmocka_unit_test(test_events_of_another_outcome_are_left_alone),
		cmocka_unit_test(test_state_of_another_version_is_an_error),
		cmocka_unit_test(test_allow_below_zero_is_refused),
		cmocka_unit_test(test_both_are_counted_by_key),
		cmocka_unit_test(test_random_by_key),
		cmocka_unit_test(test_random_by_partition),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
