/* The codecs text and bytes, the table of codecs, and what one codec writes of another's records. */
#include "batch_helper.h"

static void test_table(void **state)
{
	uint32_t n;
	(void)state;
	const char *const *names = fl_codec_names(&n);
	for (uint32_t k = 0; k < n; k++)
		assert_string_equal(fl_codec_find(names[k])->name, names[k]);
	assert_null(fl_codec_find("avro"));
}

static void test_text_is_its_value(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_text, (struct fl_limits){.record = 8}, "other value", NULL);
	batch_load(&b, "h\xC3\xA9llo");
	assert_string_equal(batch_text(&b, "value"), "h\xC3\xA9llo");
	assert_int_equal(batch_type(&b, "other"), FL_ABSENT);
	assert_string_equal(batch_out(&b), "h\xC3\xA9llo");
	fl_events_set_string(b.ev, batch_col(&b, "value"), 0, fl_str("new"));
	assert_string_equal(batch_out(&b), "new");
	fl_events_set_number(b.ev, batch_col(&b, "value"), 0, 2.5);
	assert_string_equal(batch_out(&b), "2.5");
	fl_events_set_string(b.ev, batch_col(&b, "value"), 0, fl_str("\xFF"));
	assert_null(batch_out(&b));
	assert_string_equal(b.err, "the field \"value\" is not UTF-8, which the codec text needs");
	fl_events_remove(b.ev, batch_col(&b, "value"), 0);
	assert_null(batch_out(&b));
	assert_string_equal(b.err, "the codec text writes the content of the field \"value\", and the event has none");
	batch_load(&b, "a\xC3");
	assert_string_equal(batch_why(&b), "the record is not UTF-8 at byte 1; the codec bytes takes any");
	assert_int_equal(batch_type(&b, "value"), FL_ABSENT);
	batch_load(&b, "123456789");
	assert_string_equal(batch_why(&b), "the record has 9 bytes; 8 are allowed (limit \"record\")");
	batch_load(&b, "");
	assert_string_equal(batch_text(&b, "value"), "");
	assert_string_equal(batch_out(&b), "");
	batch_close(&b);
}

static void test_bytes_take_any(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_bytes, (struct fl_limits){0}, "value", NULL);
	batch_load_bytes(&b, "\xFF\0\x01", 3);
	assert_int_equal(b.ev->b.outcome[0], FL_PASS);
	assert_int_equal(batch_cell(&b, "value")->str[0].len, 3);
	assert_memory_equal(batch_out(&b), "\xFF\0\x01", 4);
	b.to = &fl_codec_json;
	assert_null(batch_out(&b));
	assert_string_equal(b.err, "the record is not UTF-8, which JSON can't say");
	b.to = &fl_codec_text;
	assert_null(batch_out(&b));
	batch_close(&b);
}

static void test_json_of_text(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_text, (struct fl_limits){0}, "n", &fl_codec_json);
	batch_load(&b, "say \"x\"\n");
	assert_string_equal(batch_out(&b), "{\"value\":\"say \\\"x\\\"\\n\"}");
	fl_events_set_number(b.ev, batch_col(&b, "n"), 0, 1);
	assert_string_equal(batch_out(&b), "{\"value\":\"say \\\"x\\\"\\n\",\"n\":1}");
	fl_events_set_number(b.ev, batch_col(&b, "value"), 0, 2);
	assert_string_equal(batch_out(&b), "{\"value\":2,\"n\":1}");
	fl_events_remove(b.ev, batch_col(&b, "value"), 0);
	assert_string_equal(batch_out(&b), "{\"n\":1}");
	fl_events_remove(b.ev, batch_col(&b, "n"), 0);
	assert_string_equal(batch_out(&b), "{}");
	batch_close(&b);
}

static void test_text_of_json(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "x", &fl_codec_text);
	batch_load(&b, "{\"x\":1,\"value\":\"a\\tb\"}");
	assert_string_equal(batch_out(&b), "a\tb");
	batch_load(&b, "{\"value\":{\"k\":[1.0]}}");
	assert_string_equal(batch_out(&b), "{\"k\":[1.0]}");
	batch_load(&b, "{\"value\":1.50}");
	assert_string_equal(batch_out(&b), "1.50");
	batch_load(&b, "{\"x\":1}");
	assert_null(batch_out(&b));
	b.to = &fl_codec_bytes;
	assert_null(batch_out(&b));
	assert_string_equal(b.err, "the codec bytes writes the content of the field \"value\", and the event has none");
	batch_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),        cmocka_unit_test(test_text_is_its_value), cmocka_unit_test(test_bytes_take_any),
		cmocka_unit_test(test_json_of_text), cmocka_unit_test(test_text_of_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
