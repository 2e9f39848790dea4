/* Numbers: the shortest text that reads back, and every text read to the nearest double. */
#include "batch_helper.h"

#include <float.h>
#include <math.h>

#include "event/number.h"

static uint64_t seed = 88172645463325252u;
static uint64_t random64(void)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return seed;
}

static const char *written(double v)
{
	static char text[FL_NUMBER_MAX + 1];
	text[fl_number_write(text, v)] = 0;
	return text;
}

static int read(const char *text, double *d, int64_t *i, int *is_unsigned)
{
	return fl_number_read(text, (uint32_t)strlen(text), d, i, is_unsigned);
}

static int same(double a, double b) { return memcmp(&a, &b, sizeof a) == 0; }

static void test_writes_as_promised(void **state)
{
	(void)state;
	assert_string_equal(written(3.0), "3");
	assert_string_equal(written(-0.0), "-0");
	assert_string_equal(written(0.1), "0.1");
	assert_string_equal(written(100000), "100000");
	assert_string_equal(written(9007199254740992.0), "9007199254740992");
	assert_string_equal(written(-9007199254740992.0), "-9007199254740992");
	assert_string_equal(written(1e21), "1e+21");
	assert_string_equal(written(5e-324), "5e-324");
	assert_string_equal(written(DBL_MAX), "1.7976931348623157e+308");
	char text[FL_NUMBER_MAX];
	assert_memory_equal(text, "-9223372036854775808", fl_integer_write(text, INT64_MIN));
	assert_memory_equal(text, "18446744073709551615", fl_unsigned_write(text, UINT64_MAX));
	assert_int_equal(fl_fixed_write(text, sizeof text, 1e-5), 7);
	assert_memory_equal(text, "0.00001", 7);
	assert_int_equal(fl_fixed_write(text, sizeof text, 1e-300), 0);
}

static void test_random_doubles_come_back(void **state)
{
	(void)state;
	for (int k = 0; k < 200000; k++) {
		uint64_t bits = random64();
		double v, d = 0;
		int64_t i;
		int u;
		memcpy(&v, &bits, sizeof v);
		if (k & 1) /* also the sizes that people use */
			v = (double)(int64_t)(bits >> 20) / (k & 2 ? 1e6 : 1e3);
		if (!isfinite(v))
			continue;
		const char *text = written(v);
		assert_true(strlen(text) <= FL_NUMBER_MAX);
		assert_true(same(strtod(text, NULL), v));
		assert_true(read(text, &d, &i, &u) > 0);
		assert_true(same(d, v));
	}
}

/* No text of fewer digits reads back. */
static void test_is_the_shortest(void **state)
{
	(void)state;
	for (int k = 0; k < 20000; k++) {
		double v = (double)(int64_t)(random64() >> (k % 40)) / 1e9;
		int digits = 0, zeros = 0;
		for (const char *p = written(v); *p && *p != 'e'; p++)
			if (*p >= '0' && *p <= '9' && (digits || *p != '0')) {
				digits++;
				zeros = *p == '0' ? zeros + 1 : 0;
			}
		digits -= zeros;
		char less[40];
		snprintf(less, sizeof less, "%.*e", digits > 1 ? digits - 2 : 0, v);
		if (digits > 1)
			assert_false(same(strtod(less, NULL), v));
	}
}

static void test_reads_like_strtod(void **state)
{
	static const char *const extra[] = {"0", "-0", "-0.0", "0e999999999999", "1e22", "1e23", "1e-22", "1e-23", "123456789012345678e-5",
		"9007199254740993.0", "9007199254740991e22", "2.2250738585072011e-308", "4.9e-324", "2e-324", "1e-400", "-1e-400", "0.000000000000000000000000001e30",
		"1e+5", "1E5", "1E+05", "179769313486231570000000000000000000000e270", "0.1e-999999999999999999999", "1.7976931348623158e308",
		"123456789012345678901234567890", "-123456789012345678901234567890", "-18446744073709551615", "18446744073709551616", "8.5e-7"};
	double d;
	int64_t i;
	int u;
	(void)state;
	for (size_t k = 0; k < sizeof extra / sizeof *extra; k++) {
		assert_int_equal(read(extra[k], &d, &i, &u), 1);
		assert_true(same(d, strtod(extra[k], NULL)));
	}
	for (int k = 0; k < 200000; k++) {
		char text[80];
		snprintf(text, sizeof text, "%s%llu.%0*llue%d", k & 1 ? "-" : "", (unsigned long long)(random64() >> (random64() % 64)),
			(int)(1 + random64() % 20), (unsigned long long)(random64() >> (random64() % 64)), (int)(random64() % 80) - 40);
		if (k % 3 == 0)
			*strchr(text, 'e') = 0;
		assert_int_equal(read(text, &d, &i, &u), 1);
		if (!same(d, strtod(text, NULL)))
			fail_msg("%s is read as %.17g", text, d);
	}
}

/* What sensors send: up to 19 digits without an exponent, and among them the ones right between two doubles. */
static void test_reads_many_digits_like_strtod(void **state)
{
	double d;
	int64_t i;
	int u;
	(void)state;
	for (int k = 0; k < 300000; k++) {
		char text[80];
		uint64_t near = (uint64_t)1 << 52 | random64() >> 12; /* the next double is one more */
		if (k % 2)
			snprintf(text, sizeof text, "%llu.%s", (unsigned long long)near, k % 3 == 0 ? "5" : k % 3 == 1 ? "501" : "499");
		else
			snprintf(text, sizeof text, "%s%llu.%0*llu", k % 4 ? "-" : "", (unsigned long long)(random64() >> (20 + random64() % 44)),
				(int)(6 + random64() % 6), (unsigned long long)(random64() % 1000000));
		assert_int_equal(read(text, &d, &i, &u), 1);
		if (!same(d, strtod(text, NULL)))
			fail_msg("%s is read as %.17g", text, d);
	}
	for (int k = 0; k < 300000; k++) {
		char text[80];
		int whole = 1 + (int)(random64() % 12);
		snprintf(text, sizeof text, "0%018llu", (unsigned long long)(random64() % 1000000000000000000u));
		text[19 - random64() % 4] = 0;
		memmove(text + whole + 1, text + whole, strlen(text) + 1 - (size_t)whole);
		text[whole] = '.';
		const char *from = text;
		while (from[0] == '0' && from[1] != '.')
			from++;
		assert_int_equal(read(from, &d, &i, &u), 1);
		if (!same(d, strtod(from, NULL)))
			fail_msg("%s is read as %.17g", from, d);
	}
}

static void test_integers_beyond_2_53(void **state)
{
	static const struct {
		const char *text;
		int got, is_unsigned;
		uint64_t bits;
	} cases[] = {
		{"9007199254740991", 1, 0, 0}, {"9007199254740992", 1, 0, 0}, {"9007199254740993", 2, 0, 9007199254740993u},
		{"-9007199254740992", 1, 0, 0}, {"-9007199254740993", 2, 0, (uint64_t)-9007199254740993}, {"9223372036854775807", 2, 0, INT64_MAX},
		{"9223372036854775808", 2, 1, (uint64_t)1 << 63}, {"18446744073709551615", 2, 1, UINT64_MAX}, {"18446744073709551616", 1, 0, 0},
		{"-9223372036854775808", 2, 0, (uint64_t)1 << 63}, {"-9223372036854775809", 1, 0, 0}, {"99999999999999999999", 1, 0, 0},
		{"10000000000000000000", 2, 1, 10000000000000000000u},
	};
	(void)state;
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		double d = 0;
		int64_t i = 0;
		int u = 0;
		assert_int_equal(read(cases[k].text, &d, &i, &u), cases[k].got);
		assert_true(same(d, strtod(cases[k].text, NULL)));
		if (cases[k].got == 2) {
			assert_int_equal(u, cases[k].is_unsigned);
			assert_true((uint64_t)i == cases[k].bits);
		}
	}
}

static void test_refuses_what_json_has_not(void **state)
{
	static const char *const none[] = {"", "-", "+1", "01", "-01", "00", "1.", ".5", "1e", "1e+", "1.e5", "0x10", "inf", "nan", "NaN", "Infinity", "1 ", " 1", "1,", "--1", "1e5.5", "1_000"};
	static const char *const huge[] = {"1e400", "-1e400", "1e99999999999999999999", "1.7976931348623159e308", "0.00001e400"};
	double d;
	int64_t i;
	int u;
	(void)state;
	for (size_t k = 0; k < sizeof none / sizeof *none; k++)
		assert_int_equal(read(none[k], &d, &i, &u), 0);
	for (size_t k = 0; k < sizeof huge / sizeof *huge; k++)
		assert_int_equal(read(huge[k], &d, &i, &u), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes_as_promised),        cmocka_unit_test(test_random_doubles_come_back),
		cmocka_unit_test(test_is_the_shortest),           cmocka_unit_test(test_reads_like_strtod),
		cmocka_unit_test(test_reads_many_digits_like_strtod),
		cmocka_unit_test(test_integers_beyond_2_53),      cmocka_unit_test(test_refuses_what_json_has_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
