/* Durations, sizes, nearest names. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/unit.h"

static void durations(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		double seconds;
	} good[] = {
		{"5s", 5}, {"0s", 0}, {"200ms", 0.2}, {"1.5h", 5400}, {"7d", 604800}, {"2w", 1209600}, {"90m", 5400}, {"3min", 180},
		{"10us", 1e-5}, {"7ns", 7e-9}, {"0.1s", 0.1}, {"0.25d", 21600}, {"999999999999s", 999999999999.0},
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		double s = -1;
		assert_int_equal(fl_duration(good[i].text, &s), 0);
		assert_true(s == good[i].seconds);
	}
}

static void what_is_no_duration(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "5", "s", "-5s", "+5s", "5 s", " 5s", "5s ", "5S", "1e3s", "0x5s", "5.s", ".5s", "5..1s", "5sec",
	                                  "1h30m", "nan", "inf", "1234567890123456s", "5\xc2\xb5s"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		double s = -1;
		if (fl_duration(bad[i], &s) == 0)
			fail_msg("\"%s\" was taken for %g s", bad[i], s);
		assert_true(s == -1);
	}
}

static void sizes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t bytes;
	} good[] = {
		{"512", 512}, {"0", 0}, {"1B", 1}, {"10kB", 10000}, {"64MiB", 64 << 20}, {"1.5KiB", 1536}, {"0.5GB", 500000000}, {"2TiB", (int64_t)2 << 40},
		{"8388607TiB", INT64_MAX - ((int64_t)1 << 40) + 1},
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		int64_t n = -1;
		assert_int_equal(fl_size(good[i].text, &n), 0);
		assert_int_equal(n, good[i].bytes);
	}
}

static void what_is_no_size(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "-1", "10 MiB", "10mb", "10M", "1.5", "0.3B", "KiB", "8388608TiB", "999999999999999TB", "1e6"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int64_t n = -1;
		if (fl_size(bad[i], &n) == 0)
			fail_msg("\"%s\" was taken for %lld bytes", bad[i], (long long)n);
		assert_int_equal(n, -1);
	}
}

static const char *const NAMES[] = {"x", "y", "span", "least", "metric", "timestamp", "columns"};
#define NEAREST(found) fl_nearest(found, NAMES, sizeof NAMES / sizeof *NAMES)

static void nearest_names(void **state)
{
	(void)state;
	assert_string_equal(NEAREST("spam"), "span");
	assert_string_equal(NEAREST("sapn"), "span");
	assert_string_equal(NEAREST("SPAN"), "span");
	assert_string_equal(NEAREST("colums"), "columns");
	assert_string_equal(NEAREST("matric"), "metric");
	assert_string_equal(NEAREST("time"), "timestamp");
	assert_string_equal(NEAREST("X"), "x");
}

static void nothing_is_near(void **state)
{
	(void)state;
	static const char endless[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	assert_null(NEAREST("z"));
	assert_null(NEAREST("quite another"));
	assert_null(NEAREST(""));
	assert_null(NEAREST(endless));
	assert_null(fl_nearest("x", NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),    cmocka_unit_test(what_is_no_duration), cmocka_unit_test(sizes), cmocka_unit_test(what_is_no_size),
		cmocka_unit_test(nearest_names), cmocka_unit_test(nothing_is_near),
	};
	return cmocka_run_group_tests_name("unit", tests, NULL, NULL);
}
