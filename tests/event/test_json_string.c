/* Strings of JSON: every escape, read and written. */
#include "batch_helper.h"

#include "event/json.h"
#include "event/json_string.h"
#include "event/utf8.h"

static const char *unescaped(const char *text, uint32_t *n)
{
	static char to[256];
	memset(to, 0, sizeof to);
	assert_true(strlen(text) < sizeof to);
	return fl_json_unescape(to, text, (uint32_t)strlen(text), n) == 0 ? to : NULL;
}

static void test_reads_escapes(void **state)
{
	uint32_t n;
	(void)state;
	assert_string_equal(unescaped("plain", &n), "plain");
	assert_string_equal(unescaped("\\\"\\\\\\/\\b\\f\\n\\r\\t", &n), "\"\\/\b\f\n\r\t");
	assert_string_equal(unescaped("\\u0041\\u00e9\\u20AC", &n), "A\xC3\xA9\xE2\x82\xAC");
	assert_string_equal(unescaped("\\uD83D\\uDE00!", &n), "\xF0\x9F\x98\x80!");
	assert_memory_equal(unescaped("a\\u0000b", &n), "a\0b", 3);
	assert_int_equal(n, 3);
}

static void test_refuses_bad_escapes(void **state)
{
	static const char *const bad[] = {"\\", "\\x", "\\U0041", "\\u", "\\u12", "\\u123", "\\u12g4", "\\uD800", "\\uD800x", "\\uD800\\n", "\\uD800\\u0041", "\\uD800\\uD800", "\\uDC00", "\\uD83D\\uDE0", "\\\n"};
	(void)state;
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
		char text[32];
		uint32_t n = 99;
		snprintf(text, sizeof text, "ok%s", bad[k]);
		assert_null(unescaped(text, &n));
		assert_int_equal(n, 2);
	}
}

static void test_writes_what_it_reads(void **state)
{
	struct fl_buf b = {0};
	char content[4], back[32];
	uint32_t n;
	(void)state;
	for (uint32_t code = 0; code < 0x11000; code += code < 0x300 ? 1 : 37) {
		if (code >= 0xD800 && code < 0xE000)
			continue;
		uint32_t len = fl_utf8_write(content, code);
		b.len = 0;
		assert_int_equal(fl_json_string(&b, (struct fl_str){content, len}), 0);
		assert_int_equal(fl_json_unescape(back, b.p + 1, (uint32_t)b.len - 2, &n), 0);
		assert_int_equal(n, len);
		assert_memory_equal(back, content, len);
		char err[FL_ERRLEN];
		assert_int_equal(fl_json_check((struct fl_str){b.p, (uint32_t)b.len}, 1, err), 0);
	}
	b.len = 0;
	assert_int_equal(fl_json_string(&b, fl_str("a\"\\\b\x01\x1f/\x7f\xC3\xA9")), 0);
	fl_buf_byte(&b, 0);
	assert_string_equal(b.p, "\"a\\\"\\\\\\b\\u0001\\u001f/\x7f\xC3\xA9\"");
	b.len = 0;
	assert_int_equal(fl_json_string(&b, fl_str("a\xFF")), -1);
	assert_int_equal(b.len, 0);
	assert_int_equal(fl_json_string(&b, (struct fl_str){0}), 0);
	assert_int_equal(b.len, 2);
	fl_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_escapes),
		cmocka_unit_test(test_refuses_bad_escapes),
		cmocka_unit_test(test_writes_what_it_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
