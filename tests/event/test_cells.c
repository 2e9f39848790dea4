/* What stages do to events: outcomes, writes, keys, new records. */
#include "batch_helper.h"

#include <math.h>

static void test_first_outcome_stays(void **state)
{
	struct batch b;
	char reason[] = "no reference yet";
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "x", NULL);
	batch_load(&b, "{}");
	fl_events_drop(b.ev, 0, "speed", fl_str(reason));
	memset(reason, 'x', sizeof reason - 1);
	fl_events_reject(b.ev, 0, "later", fl_str("a.lua:1"), fl_str("other"));
	fl_events_late(b.ev, 0, "later", 1);
	assert_int_equal(b.ev->b.outcome[0], FL_DROP);
	assert_int_equal(b.ev->whys, 1);
	assert_string_equal(batch_why(&b), "no reference yet");
	assert_string_equal(b.ev->why[0].stage, "speed");
	batch_load(&b, "{}");
	fl_events_late(b.ev, 0, "lateness", 7);
	assert_int_equal(b.ev->b.outcome[0], FL_LATE);
	assert_int_equal(b.ev->why[0].stream, 7);
	batch_load(&b, "{}");
	fl_events_reject(b.ev, 0, "s", fl_str("a.lua:12"), fl_str("text"));
	assert_true(fl_str_eq(b.ev->why[0].at, fl_str("a.lua:12")));
	assert_int_equal(b.ev->why[0].stream, FL_NO_STREAM);
	batch_close(&b);
}

static void test_writes(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "a b c d e f", NULL);
	batch_load(&b, "{}");
	fl_events_set_int(b.ev, 0, 0, INT64_MIN);
	fl_events_set_int(b.ev, 1, 0, -((int64_t)1 << 53));
	char text[] = "tab\t";
	fl_events_set_string(b.ev, 2, 0, fl_str(text));
	text[0] = 'x';
	fl_events_set_number(b.ev, 3, 0, 0.1);
	fl_events_set_string(b.ev, 4, 0, (struct fl_str){0});
	assert_int_equal(batch_type(&b, "a"), FL_BIGINT);
	assert_int_equal(batch_type(&b, "b"), FL_NUMBER);
	assert_string_equal(batch_out(&b), "{\"a\":-9223372036854775808,\"b\":-9007199254740992,\"c\":\"tab\\t\",\"d\":0.1,\"e\":\"\"}");
	assert_int_equal(b.ev->b.touched[0], 5);
	fl_events_remove(b.ev, 3, 0);
	fl_events_set_number(b.ev, 0, 0, 1);
	assert_int_equal(b.ev->b.touched[0], 5);
	assert_string_equal(batch_out(&b), "{\"a\":1,\"b\":-9007199254740992,\"c\":\"tab\\t\",\"e\":\"\"}");
	batch_close(&b);
}

static void test_json_texts(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){.depth = 3}, "n s t f z o i", NULL);
	batch_load(&b, "{\"n\":0}");
	assert_int_equal(fl_events_set_json(b.ev, 0, 0, fl_str(" 1.50\n")), 0);
	assert_int_equal(fl_events_set_json(b.ev, 1, 0, fl_str("\"\\u0041\\n\\\"\"")), 0);
	assert_string_equal(batch_text(&b, "s"), "A\n\"");
	assert_int_equal(fl_events_set_json(b.ev, 2, 0, fl_str("true")), 0);
	assert_int_equal(fl_events_set_json(b.ev, 3, 0, fl_str("false")), 0);
	assert_int_equal(fl_events_set_json(b.ev, 4, 0, fl_str("null")), 0);
	assert_int_equal(fl_events_set_json(b.ev, 5, 0, fl_str("{ \"k\":[] }")), 0);
	assert_int_equal(fl_events_set_json(b.ev, 6, 0, fl_str("18446744073709551615")), 0);
	assert_int_equal(batch_type(&b, "i"), FL_BIGINT);
	assert_string_equal(batch_out(&b),
		"{\"n\":1.5,\"s\":\"A\\n\\\"\",\"t\":true,\"f\":false,\"z\":null,\"o\":{ \"k\":[] },\"i\":18446744073709551615}");
	/* the record is one level itself */
	assert_int_equal(fl_events_set_json(b.ev, 5, 0, fl_str("[[[]]]")), -1);
	assert_string_equal(batch_why(&b), "the field \"o\" was set to a text that is not JSON: it is nested deeper than 2 at byte 2");
	assert_string_equal(batch_text(&b, "o"), "{ \"k\":[] }");
	batch_close(&b);
}

static void test_what_json_has_not_rejects(void **state)
{
	static const struct {
		double number;
		const char *json, *why;
	} cases[] = {
		{NAN, NULL, "the field \"x\" was set to NaN, which JSON has no number for"},
		{INFINITY, NULL, "the field \"x\" was set to infinity, which JSON has no number for"},
		{-INFINITY, NULL, "the field \"x\" was set to -infinity, which JSON has no number for"},
		{0, "1e400", "the field \"x\" was set to the number 1e400, which is beyond the range of a double"},
		{0, "", "the field \"x\" was set to a text that is not JSON: it ends where a value is expected, at byte 0"},
		{0, "{} 1", "the field \"x\" was set to a text that is not JSON: '1' stands where the end is expected, at byte 3"},
	};
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "x", NULL);
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		batch_load(&b, "{\"x\":1}");
		b.ev->stage = k ? "speed" : NULL;
		if (cases[k].json)
			assert_int_equal(fl_events_set_json(b.ev, 0, 0, fl_str(cases[k].json)), -1);
		else
			fl_events_set_number(b.ev, 0, 0, cases[k].number);
		assert_int_equal(b.ev->b.outcome[0], FL_REJECT);
		assert_string_equal(batch_why(&b), cases[k].why);
		assert_string_equal(b.ev->why[0].stage, k ? "speed" : "write");
		assert_int_equal(b.ev->b.touched[0], 0);
	}
	batch_close(&b);
}

/* What a prelude that writes columns on its own may leave behind is refused when it is written out. */
static void test_encoding_refuses_bad_cells(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "x bad\xFF", NULL);
	batch_load(&b, "{\"x\":1}");
	struct fl_column *c = b.ev->b.column[0];
	c->num[0] = NAN;
	fl_events_touch(b.ev, c, 0);
	assert_null(batch_out(&b));
	assert_string_equal(b.err, "the field \"x\" is not a finite number, which JSON can't say");
	fl_events_set_string(b.ev, 0, 0, fl_str("\x80"));
	fl_buf_add(&b.out, "kept", 4);
	assert_int_equal(fl_events_encode(b.ev, 0, b.to, &b.out, b.err), -1);
	assert_int_equal(b.out.len, 4);
	assert_string_equal(b.err, "the field \"x\" was set to a text that is not UTF-8, which JSON can't say");
	fl_events_set_number(b.ev, 0, 0, 1);
	fl_events_set_number(b.ev, 1, 0, 1);
	assert_null(batch_out(&b));
	batch_close(&b);
}

static struct fl_str key(struct batch *b, const char *name) { return fl_events_key(b->ev, batch_col(b, name), 0); }

static void test_keys(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "s", NULL);
	batch_load(&b, "{\"s\":\"a\\u0062\",\"n\":1.50 ,\"i\":9007199254740993,\"t\":true,\"f\":false,\"z\":null,\"o\":[1, 2] ,\"e\":\"\"}");
	assert_true(fl_str_eq(key(&b, "s"), fl_str("ab")));
	assert_true(fl_str_eq(key(&b, "n"), fl_str("1.50")));
	assert_true(fl_str_eq(key(&b, "i"), fl_str("9007199254740993")));
	assert_true(fl_str_eq(key(&b, "t"), fl_str("true")));
	assert_true(fl_str_eq(key(&b, "f"), fl_str("false")));
	assert_true(fl_str_eq(key(&b, "z"), fl_str("null")));
	assert_true(fl_str_eq(key(&b, "o"), fl_str("[1, 2]")));
	assert_true(key(&b, "e").p && key(&b, "e").len == 0);
	assert_null(key(&b, "missing").p);
	fl_events_set_number(b.ev, batch_col(&b, "n"), 0, 2.0);
	assert_true(fl_str_eq(key(&b, "n"), fl_str("2")));
	fl_events_remove(b.ev, batch_col(&b, "s"), 0);
	assert_null(key(&b, "s").p);
	batch_close(&b);
}

static void test_emitted_records_are_copies(void **state)
{
	struct batch b;
	char k[] = "key", v[] = "{\"x\":1}";
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "x", NULL);
	batch_load(&b, "{}");
	for (uint32_t n = 0; n < 100; n++)
		fl_events_emit(b.ev, n, FL_NO_STREAM, fl_str(k), fl_str(v), (struct fl_str){0}, 2.5);
	fl_events_emit(b.ev, 1, 3, (struct fl_str){0}, (struct fl_str){0}, (struct fl_str){0}, 0);
	memset(k, 'z', 3);
	memset(v, 'z', 7);
	assert_int_equal(b.ev->emits, 101);
	assert_true(fl_str_eq(b.ev->emitted[99].value, fl_str("{\"x\":1}")));
	assert_true(fl_str_eq(b.ev->emitted[0].key, fl_str("key")));
	assert_int_equal(b.ev->emitted[0].value.p[7 + FL_PAD - 1], 0);
	assert_int_equal(b.ev->emitted[99].before, 99);
	assert_null(b.ev->emitted[100].key.p);
	assert_null(b.ev->emitted[100].value.p);
	assert_int_equal(b.ev->emitted[100].stream, 3);
	fl_events_begin(b.ev, "test", 0, 0);
	assert_int_equal(b.ev->emits, 0);
	batch_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_outcome_stays),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_json_texts),
		cmocka_unit_test(test_what_json_has_not_rejects),
		cmocka_unit_test(test_encoding_refuses_bad_cells),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_emitted_records_are_copies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
