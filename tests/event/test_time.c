/* Event times: texts to seconds, back, and where a stream takes them from. */
#include "batch_helper.h"

#include <math.h>
#include <time.h>

#include "event/time.h"

static double parsed(const char *format, const char *text)
{
	double t = NAN;
	return fl_time_parse(format, fl_str(text), &t) == 0 ? t : NAN;
}

static void test_iso(void **state)
{
	(void)state;
	assert_true(parsed(NULL, "1970-01-01T00:00:00Z") == 0);
	assert_true(parsed(NULL, "2024-05-12T02:11:37Z") == 1715479897);
	assert_true(parsed(NULL, "2024-05-12 02:11:37") == 1715479897);
	assert_true(parsed(NULL, "2024-05-12t02:11:37z") == 1715479897);
	assert_true(parsed(NULL, "2024-05-12T02:11:37.25Z") == 1715479897.25);
	assert_true(parsed(NULL, "2024-05-12T02:11:37,123456789+02:00") == 1715472697.123456789);
	assert_true(parsed(NULL, "2024-05-12T02:11:37.1234567890123456789012345-0230") == 1715488897.1234567890123456789);
	assert_true(parsed(NULL, "2024-05-12T02:11+02") == 1715472660);
	assert_true(parsed(NULL, "2024-05-12") == 1715472000);
	assert_true(parsed(NULL, "2024-02-29T24:00:00Z") == 1709251200);
	assert_true(parsed(NULL, "2016-12-31T23:59:60Z") == 1483228800);
	assert_true(parsed(NULL, "1969-12-31T23:59:59.75Z") == -0.25);
	assert_true(parsed(NULL, "0000-01-01T00:00:00Z") == -62167219200.0);
}

static void test_what_is_none(void **state)
{
	static const char *const bad[] = {"", "2024", "2024-05", "2024-13-01", "2024-00-01", "2023-02-29", "2024-02-30", "2024-05-12T", "2024-05-12T02",
		"2024-05-12T25:00", "2024-05-12T24:00:01", "2024-05-12T02:60", "2024-05-12T02:11:61", "2024-05-12T02:11:37.", "2024-05-12T02:11:37Zx",
		"2024-05-12T02:11:37+", "2024-05-12T02:11:37+2", "2024-05-12T02:11:37+24:00", "2024-05-12T02:11:37 Z", "+2024-05-12", "2024-5-12", " 2024-05-12", "now"};
	(void)state;
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
		if (!isnan(parsed(NULL, bad[k])))
			fail_msg("%s is taken for a time", bad[k]);
	assert_int_equal(fl_time_parse(NULL, (struct fl_str){"2024-05-12\0", 11}, &(double){0}), -1);
}

static void test_format(void **state)
{
	(void)state;
	assert_true(parsed("%Y-%m-%d %H:%M:%S", "2024-05-12 02:11:37") == 1715479897);
	assert_true(parsed("%Y-%m-%d %H:%M:%S", "2024-05-12 02:11:37.5") == 1715479897.5);
	assert_true(parsed("%d/%b/%Y:%H:%M:%S %z", "12/May/2024:04:11:37 +0200") == 1715479897);
	assert_true(parsed("%d.%m.%Y", "12.05.2024") == 1715472000);
	assert_true(isnan(parsed("%Y-%m-%d %H:%M:%S", "2024-05-12T02:11:37")));
	assert_true(isnan(parsed("%Y-%m-%d", "2024-05-12 ")));
	assert_true(isnan(parsed("%Y-%m-%d", "2023-02-29")));
	assert_true(isnan(parsed("%Y-%m-%d", "")));
	char longer[400];
	memset(longer, ' ', sizeof longer);
	assert_int_equal(fl_time_parse("%Y", (struct fl_str){longer, sizeof longer}, &(double){0}), -1);
}

static void test_writes_shortest(void **state)
{
	static const struct {
		double t;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00Z"}, {1715479897, "2024-05-12T02:11:37Z"}, {1715479897.25, "2024-05-12T02:11:37.25Z"},
		{-0.25, "1969-12-31T23:59:59.75Z"}, {1e-5, "1970-01-01T00:00:00.00001Z"}, {-1e-300, "1970-01-01T00:00:00Z"},
		{951782400, "2000-02-29T00:00:00Z"}, {253402300799.0, "9999-12-31T23:59:59Z"}, {-62167219200.0, "0000-01-01T00:00:00Z"},
		{253402300800.0, "253402300800"}, {1e300, "1e+300"},
	};
	(void)state;
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		char text[40];
		uint32_t n = fl_time_write(text, cases[k].t);
		assert_int_equal(n, strlen(cases[k].text));
		assert_memory_equal(text, cases[k].text, n);
	}
}

static void test_random_times_come_back(void **state)
{
	(void)state;
	srand(7);
	for (int k = 0; k < 100000; k++) {
		double scale = k % 3 ? 2e9 : k % 2 ? 2e11 : 1, t = (rand() / (double)RAND_MAX - 0.25) * scale, back = NAN;
		if (k % 5 == 0 || fabs(t) < 1) /* a text has 18 digits behind the point */
			t = round(t * 1e6) / 1e6;
		char text[40], date[40];
		uint32_t n = fl_time_write(text, t);
		assert_int_equal(fl_time_parse(NULL, (struct fl_str){text, n}, &back), 0);
		if (back != t)
			fail_msg("%.17g is written %.*s and read %.17g", t, (int)n, text, back);
		time_t whole = (time_t)floor(t);
		struct tm tm;
		snprintf(date, sizeof date, "%04d", gmtime_r(&whole, &tm)->tm_year + 1900);
		strftime(date + strlen(date), sizeof date - 4, "-%m-%dT%H:%M:%S", &tm);
		assert_memory_equal(text, date, 19);
	}
}

static void test_times_of_events(void **state)
{
	struct batch b;
	struct fl_time_spec spec = {.field = (char *)(uintptr_t)"t", .unit = 1e-3};
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "t", NULL);
	batch_load(&b, "{\"t\":1715479897123}");
	fl_time_of_events(b.ev, &spec, 0);
	assert_true(b.ev->b.time[0] == 1715479897.123);
	batch_load(&b, "{\"t\":\"2024-05-12T02:11:37.123Z\"}");
	fl_time_of_events(b.ev, &spec, 0);
	assert_true(b.ev->b.time[0] == 1715479897.123);
	spec.unit = 1e-9;
	batch_load(&b, "{\"t\":1715479897123456789}");
	fl_time_of_events(b.ev, &spec, 0);
	assert_true(b.ev->b.time[0] == 1715479897.123456789);
	const char *bad[] = {"{\"t\":\"soon\"}", "{\"t\":null}", "{\"u\":1}"};
	const char *why[] = {"the field \"t\" of the stream \"test\" is no time: \"soon\" is not ISO 8601",
		"the field \"t\" of the stream \"test\" is no time: it must be a number or a string",
		"the stream \"test\" takes its time from the field \"t\", which the event lacks"};
	for (int k = 0; k < 3; k++) {
		batch_load(&b, bad[k]);
		fl_time_of_events(b.ev, &spec, 0);
		assert_int_equal(b.ev->b.outcome[0], FL_REJECT);
		assert_string_equal(batch_why(&b), why[k]);
	}
	batch_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iso),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_writes_shortest),
		cmocka_unit_test(test_random_times_come_back),
		cmocka_unit_test(test_times_of_events),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
