/* Records that are JSON objects: what the columns hold, and which records are refused with which sentence. */
#include "batch_helper.h"

static void test_reads_types(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "n s b z o a i u", NULL);
	batch_load(&b, " { \"n\" : -1.5 ,\"s\":\"x\\ny\",\"b\":true,\"z\":null,\"o\":{\"k\":[]},\"a\":[1, 2]\n,\"i\":9223372036854775807,\"u\":18446744073709551615}\t");
	assert_int_equal(b.ev->b.outcome[0], FL_PASS);
	assert_int_equal(batch_type(&b, "n"), FL_NUMBER);
	assert_true(batch_cell(&b, "n")->num[0] == -1.5);
	assert_int_equal(batch_cell(&b, "n")->at[0], 9);
	assert_int_equal(batch_cell(&b, "n")->len[0], 4);
	assert_string_equal(batch_text(&b, "s"), "x\ny");
	assert_int_equal(batch_type(&b, "b"), FL_BOOL);
	assert_int_equal(batch_type(&b, "z"), FL_NULL);
	assert_string_equal(batch_text(&b, "o"), "{\"k\":[]}");
	assert_string_equal(batch_text(&b, "a"), "[1, 2]");
	assert_int_equal(batch_cell(&b, "a")->len[0], 6);
	assert_int_equal(batch_type(&b, "i"), FL_BIGINT);
	assert_true(batch_cell(&b, "i")->num[0] == 9223372036854775807.0);
	assert_string_equal(batch_text(&b, "i"), "9223372036854775807");
	assert_int_equal(batch_type(&b, "u"), FL_BIGINT);
	batch_close(&b);
}

static void test_keys_match(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "id  \xC3\xA9 a.b", NULL);
	for (int round = 0; round < 2; round++) {
		batch_load(&b, "{\"\\u0069d\":1,\"\":2,\"\\u00e9\":3,\"a.b\":4,\"ID\":5,\"i\":6,\"idd\":7}");
		assert_int_equal(b.ev->b.outcome[0], FL_PASS);
		assert_true(batch_cell(&b, "id")->num[0] == 1 && batch_cell(&b, "")->num[0] == 2);
		assert_true(batch_cell(&b, "\xC3\xA9")->num[0] == 3 && batch_cell(&b, "a.b")->num[0] == 4);
		/* another order, what is not there is absent */
		batch_load(&b, "{\"a.b\":\"x\",\"id\":\"y\"}");
		assert_string_equal(batch_text(&b, "id"), "y");
		assert_string_equal(batch_text(&b, "a.b"), "x");
		assert_int_equal(batch_type(&b, ""), FL_ABSENT);
		assert_int_equal(batch_cell(&b, "")->at[0], UINT32_MAX);
	}
	batch_close(&b);
}

/* More members than positions are remembered, keys longer than are remembered, a column that comes between. */
static void test_many_members(void **state)
{
	struct batch b;
	struct fl_buf text = {0};
	char name[80];
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "k0", NULL);
	for (int k = 0; k < 300; k++)
		fl_buf_printf(&text, "%c\"k%0*d\":%d", k ? ',' : '{', k % 7 == 3 ? 60 : 1, k, k);
	fl_buf_add(&text, "}", 2);
	for (int k = 0; k < 300; k++) {
		snprintf(name, sizeof name, "k%0*d", k % 7 == 3 ? 60 : 1, k);
		batch_load(&b, text.p);
		assert_int_equal(batch_type(&b, name), FL_NUMBER);
		assert_true(batch_cell(&b, name)->num[0] == k);
		assert_true(batch_cell(&b, "k0")->num[0] == 0);
	}
	fl_buf_free(&text);
	batch_close(&b);
}

static void test_last_of_doubled_keys(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "x", NULL);
	batch_load(&b, "{\"x\":1,\"y\":2,\"x\":\"three\"}");
	assert_int_equal(batch_type(&b, "x"), FL_STRING);
	assert_string_equal(batch_text(&b, "x"), "three");
	fl_events_set_number(b.ev, 0, 0, 4);
	assert_string_equal(batch_out(&b), "{\"x\":1,\"y\":2,\"x\":4}");
	fl_events_remove(b.ev, 0, 0);
	assert_string_equal(batch_out(&b), "{\"y\":2}");
	batch_close(&b);
}

static void test_refuses_with_a_sentence(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"", "the record is not valid JSON: it ends where a value is expected, at byte 0"},
		{"  ", "the record is not valid JSON: it ends where a value is expected, at byte 2"},
		{"[1]", "the record is JSON, but not an object; records of the codec json are objects"},
		{"12", "the record is JSON, but not an object; records of the codec json are objects"},
		{"{", "the record is not valid JSON: it ends where a key is expected, at byte 1"},
		{"{\"x\":1", "the record is not valid JSON: it ends where a comma or } is expected, at byte 6"},
		{"{\"x\":1}}", "the record is not valid JSON: '}' stands where the end is expected, at byte 7"},
		{"{\"x\":1} {}", "the record is not valid JSON: '{' stands where the end is expected, at byte 8"},
		{"{\"x\":1,}", "the record is not valid JSON: '}' stands where a key is expected, at byte 7"},
		{"{,\"x\":1}", "the record is not valid JSON: ',' stands where a key is expected, at byte 1"},
		{"{\"x\":}", "the record is not valid JSON: '}' stands where a value is expected, at byte 5"},
		{"{\"x\":tru}", "the record is not valid JSON: 't' stands where a value is expected, at byte 5"},
		{"{\"x\":01}", "the record is not valid JSON: a number is not written as JSON has it at byte 5"},
		{"{\"x\":{]}", "the record is not valid JSON: ']' stands where a key is expected, at byte 6"},
		{"{\"u\":[}]}", "the record is not valid JSON: '}' stands where a value is expected, at byte 6"},
		{"{\"u\":[[]}", "the record is not valid JSON: '}' stands where a comma or ] is expected, at byte 8"},
		{"{\"u\":[[[[]]]]}", "the record is not valid JSON: it is nested deeper than 4 at byte 8"},
		{"{\"x\":[1 2]}", "the record is not valid JSON: '2' stands where a comma or ] is expected, at byte 8"},
		{"{\"u\":\"\xC3\"}", "the record is not valid JSON: it is not UTF-8 at byte 6"},
		{"{\"u\":\"\n\"}", "the record is not valid JSON: a control character stands in a string at byte 6"},
		{"{\"u\":\"x}", "the record is not valid JSON: a string has no end, it begins at byte 5"},
		{"{\"x\":\"\\q\"}", "the record is not valid JSON: an escape is none, or half a surrogate pair, at byte 6"},
		{"{\"\\q\":1}", "the record is not valid JSON: an escape is none, or half a surrogate pair, at byte 2"},
		{"{\"u\":1,\"x\":-1e400}", "the field \"x\" holds the number -1e400, which is beyond the range of a double, at byte 11"},
		{"\xEF\xBB\xBF{}", "the record is not valid JSON: the byte 0xEF stands where a value is expected, at byte 0"},
		{"{\"x\":1,\"u\":\"0123456789012345678901234567890123\"}", "the record has 48 bytes; 47 are allowed (limit \"record\")"},
	};
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){.record = 47, .depth = 4}, "x", NULL);
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		batch_load(&b, cases[k].text);
		assert_int_equal(b.ev->b.outcome[0], FL_REJECT);
		assert_string_equal(batch_why(&b), cases[k].why);
		assert_string_equal(b.ev->why[0].stage, "decode");
		assert_int_equal(batch_type(&b, "x"), FL_ABSENT);
		assert_int_equal(batch_cell(&b, "x")->at[0], UINT32_MAX);
	}
	batch_close(&b);
}

/* Brackets, depth and UTF-8 are all that is asked of a value that nobody reads, unless the stream says more. */
static void test_unread_values(void **state)
{
	static const char *const loose[] = {"{\"u\":tru,\"x\":1}", "{\"x\":1,\"u\":[1 2,]}", "{\"u\":1e400,\"x\":1}", "{\"u\":\"\\q\",\"x\":1}", "{\"u\":{1:2},\"x\":1}", "{\"u\":\"\\uD800\",\"x\":1}"};
	struct batch b;
	(void)state;
	for (int full = 0; full < 2; full++) {
		batch_open(&b, &fl_codec_json, (struct fl_limits){.full = full}, "x", NULL);
		for (size_t k = 0; k < sizeof loose / sizeof *loose; k++) {
			batch_load(&b, loose[k]);
			assert_int_equal(b.ev->b.outcome[0], full && k != 2 ? FL_REJECT : FL_PASS);
			if (!full) {
				assert_true(batch_cell(&b, "x")->num[0] == 1);
				assert_string_equal(batch_out(&b), loose[k]);
			}
		}
		batch_close(&b);
	}
}

/* A field that is first used when the record is already in: what is found then can still refuse the record. */
static void test_columns_that_come_later(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "x", NULL);
	batch_load(&b, "{\"x\":1,\"y\":tru}");
	assert_int_equal(b.ev->b.outcome[0], FL_PASS);
	assert_int_equal(batch_type(&b, "y"), FL_ABSENT);
	assert_string_equal(batch_why(&b), "the record is not valid JSON: 't' stands where a value is expected, at byte 11");
	assert_int_equal(batch_type(&b, "x"), FL_NUMBER);
	batch_close(&b);
}

static void test_depth_and_length(void **state)
{
	struct batch b;
	struct fl_buf text = {0};
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "x", NULL);
	for (int named = 0; named < 2; named++)
		for (int depth = 60; depth < 70; depth++) {
			text.len = 0;
			fl_buf_printf(&text, "{\"%s\":", named ? "x" : "u");
			for (int k = 1; k < depth; k++)
				fl_buf_byte(&text, '[');
			for (int k = 1; k < depth; k++)
				fl_buf_byte(&text, ']');
			fl_buf_byte(&text, '}');
			batch_load_bytes(&b, text.p, text.len);
			assert_int_equal(b.ev->b.outcome[0], depth <= 64 ? FL_PASS : FL_REJECT);
		}
	for (int more = 0; more < 2; more++) {
		text.len = 0;
		fl_buf_printf(&text, "{\"x\":\"");
		while (text.len < (1 << 20) - 2 + (size_t)more)
			fl_buf_byte(&text, 'a');
		fl_buf_printf(&text, "\"}");
		batch_load_bytes(&b, text.p, text.len);
		assert_int_equal(b.ev->b.outcome[0], more ? FL_REJECT : FL_PASS);
	}
	fl_buf_free(&text);
	batch_close(&b);
}

static void test_tombstone(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){.full = 1}, "x", NULL);
	fl_events_begin(b.ev, "test", 0, 0);
	fl_events_add(b.ev, 0, 0, fl_str("k"), (struct fl_str){0}, (struct fl_str){0});
	fl_events_decode(b.ev);
	assert_int_equal(b.ev->b.outcome[0], FL_PASS);
	assert_int_equal(batch_type(&b, "x"), FL_ABSENT);
	assert_string_equal(batch_out(&b), "");
	fl_events_set_number(b.ev, 0, 0, 1);
	assert_string_equal(batch_out(&b), "{\"x\":1}");
	batch_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_types),
		cmocka_unit_test(test_keys_match),
		cmocka_unit_test(test_many_members),
		cmocka_unit_test(test_last_of_doubled_keys),
		cmocka_unit_test(test_refuses_with_a_sentence),
		cmocka_unit_test(test_unread_values),
		cmocka_unit_test(test_columns_that_come_later),
		cmocka_unit_test(test_depth_and_length),
		cmocka_unit_test(test_tombstone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
