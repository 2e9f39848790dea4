/* UTF-8: every code point, and every sort of bytes that are none. */
#include "batch_helper.h"

#include "event/utf8.h"

static void test_every_code_point(void **state)
{
	char text[4];
	(void)state;
	for (uint32_t code = 0; code < 0x110000; code++) {
		if (code == 0xD800)
			code = 0xE000;
		uint32_t n = fl_utf8_write(text, code);
		assert_int_equal(fl_utf8_length(text, text + n), n);
		assert_int_equal(fl_utf8_check(text, n), n);
		for (uint32_t cut = 1; cut < n; cut++)
			assert_int_equal(fl_utf8_check(text, cut), 0);
	}
}

static void test_what_is_none(void **state)
{
	static const char *const bad[] = {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x20", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF",
		"\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xFE", "\xE2\x82\x28", "\xF0\x9F\x98\x28"};
	(void)state;
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
		char text[32];
		assert_int_equal(fl_utf8_check(bad[k], (uint32_t)strlen(bad[k])), 0);
		/* behind a run that is looked at eight bytes at a time */
		int n = snprintf(text, sizeof text, "0123456789\xC3\xA9%s", bad[k]);
		assert_int_equal(fl_utf8_check(text, (uint32_t)n), 12);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_code_point), cmocka_unit_test(test_what_is_none)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
