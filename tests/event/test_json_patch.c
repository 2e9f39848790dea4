/* What is written to a record and what it becomes: by hand, and at random against a plain model that keeps the record
 * as a list of members with the white space between them. */
#include "batch_helper.h"

#include "event/json.h"

static void test_removes_with_its_comma(void **state)
{
	static const struct {
		const char *record, *remove, *out;
	} cases[] = {
		{"{\"a\":1,\"b\":2,\"c\":3}", "a", "{\"b\":2,\"c\":3}"},
		{"{\"a\":1,\"b\":2,\"c\":3}", "b", "{\"a\":1,\"c\":3}"},
		{"{\"a\":1,\"b\":2,\"c\":3}", "c", "{\"a\":1,\"b\":2}"},
		{"{\"a\":1,\"b\":2,\"c\":3}", "a b", "{\"c\":3}"},
		{"{\"a\":1,\"b\":2,\"c\":3}", "b c", "{\"a\":1}"},
		{"{\"a\":1,\"b\":2,\"c\":3}", "a c", "{\"b\":2}"},
		{"{\"a\":1,\"b\":2,\"c\":3}", "a b c", "{}"},
		{" { \"a\" : 1 , \"b\" : 2 } ", "a", " { \"b\" : 2 } "},
		{" { \"a\" : 1 , \"b\" : 2 } ", "b", " { \"a\" : 1  } "},
		{" { \"a\" : 1 } ", "a", " {  } "},
		{"{\"b\":1,\"a\":2,\"b\":3,\"b\":4}", "b", "{\"a\":2}"},
		{"{\"\\u0061\":1,\"b\":{\"a\":1}}", "a", "{\"b\":{\"a\":1}}"},
		{"{\"x\":tru,\"a\":1,\"y\":[1 2]}", "a", "{\"x\":tru,\"y\":[1 2]}"},
		{"{\"x\":1}", "a", "{\"x\":1}"},
	};
	(void)state;
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		struct batch b;
		batch_open(&b, &fl_codec_json, (struct fl_limits){0}, cases[k].remove, NULL);
		batch_load(&b, cases[k].record);
		for (uint32_t c = 0; c < b.ev->b.columns; c++)
			fl_events_remove(b.ev, c, 0);
		assert_string_equal(batch_out(&b), cases[k].out);
		batch_close(&b);
	}
}

static void test_appends_in_the_order_of_writing(void **state)
{
	static const char *const records[][2] = {
		{"{}", "{\"b\":2,\"a\":1,\"c\\n\":null}"},
		{" { } ", " { \"b\":2,\"a\":1,\"c\\n\":null} "},
		{"{\"x\":{}}", "{\"x\":{},\"b\":2,\"a\":1,\"c\\n\":null}"},
		{"{\"x\":\"}\" \n}\n", "{\"x\":\"}\" \n,\"b\":2,\"a\":1,\"c\\n\":null}\n"},
	};
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "a b c\n", NULL);
	for (size_t k = 0; k < sizeof records / sizeof *records; k++) {
		batch_load(&b, records[k][0]);
		fl_events_set_number(b.ev, 1, 0, 1);
		fl_events_set_number(b.ev, 0, 0, 1);
		fl_events_set_json(b.ev, 2, 0, fl_str("null"));
		fl_events_set_number(b.ev, 1, 0, 2);
		assert_string_equal(batch_out(&b), records[k][1]);
	}
	batch_close(&b);
}

static void test_replaces_in_place(void **state)
{
	struct batch b;
	(void)state;
	batch_open(&b, &fl_codec_json, (struct fl_limits){0}, "c a b new", NULL);
	batch_load(&b, "{\"a\" : [1,\n2] ,\"b\":\"x\", \"c\":-0.0 }");
	fl_events_set_string(b.ev, 1, 0, fl_str("longer than before"));
	fl_events_set_number(b.ev, 0, 0, -0.0);
	fl_events_set_number(b.ev, 3, 0, 1);
	assert_string_equal(batch_out(&b), "{\"a\" : \"longer than before\" ,\"b\":\"x\", \"c\":-0 ,\"new\":1}");
	/* removed and written again: it is where it was */
	fl_events_remove(b.ev, 2, 0);
	fl_events_set_json(b.ev, 2, 0, fl_str("false"));
	fl_events_remove(b.ev, 3, 0);
	assert_string_equal(batch_out(&b), "{\"a\" : \"longer than before\" ,\"b\":false, \"c\":-0 }");
	batch_close(&b);
}

/* ---- against a model ---- */

#define NAMES 6
static const char *const NAME[NAMES] = {"a", "bb", "", "x y", "q\"", "\xC3\xA9"};

struct model {
	int n;
	struct {
		int name;            /* NAMES and above: nobody's */
		const char *key, *value;
		char pre[4], colon[4], behind[4], post[4];
	} member[8];
	const char *written[NAMES]; /* JSON text; NULL: as it was; "": removed */
	int order[NAMES], writes;
};

static const char *key_text(int name)
{
	static const char *const key[][2] = {{"a", "\\u0061"}, {"bb", "b\\u0062"}, {"", ""}, {"x y", "x\\u0020y"}, {"q\\\"", "\\u0071\\u0022"}, {"\xC3\xA9", "\\u00E9"}, {"other", "o\\u0074her"}, {"A", "aa"}};
	return key[name][rand() % 4 == 0];
}

static void spaces(char *to)
{
	int n = rand() % 3 ? 0 : rand() % 3;
	for (int k = 0; k < n; k++)
		to[k] = " \n\t\r"[rand() % 4];
	to[n] = 0;
}

static void make_model(struct model *m)
{
	static const char *const value[] = {"1", "-2.50", "\"s\\u0041\"", "\"},{\"", "[ ]", "{\"a\":[1,{\"bb\":null}]}", "true", "null", "12345678901234567890", "\"\\\\\""};
	memset(m, 0, sizeof *m);
	m->n = rand() % 8;
	for (int k = 0; k < m->n; k++) {
		m->member[k].name = rand() % (NAMES + 2);
		m->member[k].key = key_text(m->member[k].name);
		m->member[k].value = value[rand() % 10];
		spaces(m->member[k].pre);
		spaces(m->member[k].colon);
		spaces(m->member[k].behind);
		spaces(m->member[k].post);
	}
}

/* Whether member k is the one of its name that is read and changed. */
static int is_last(const struct model *m, int k)
{
	for (int j = k + 1; j < m->n; j++)
		if (m->member[j].name == m->member[k].name)
			return 0;
	return 1;
}

/* The record as text, with what was written. */
static void print_model(const struct model *m, struct fl_buf *out)
{
	int kept = 0;
	const char *post = "";
	out->len = 0;
	fl_buf_printf(out, "{%s", m->n ? m->member[0].pre : " ");
	for (int k = 0; k < m->n; k++) {
		const char *w = m->member[k].name < NAMES ? m->written[m->member[k].name] : NULL;
		if (!(w && !*w)) {
			if (kept)
				fl_buf_printf(out, "%s,%s", post, m->member[k].pre);
			fl_buf_printf(out, "\"%s\"%s:%s%s", m->member[k].key, m->member[k].colon, m->member[k].behind, w && is_last(m, k) ? w : m->member[k].value);
			kept = 1;
			post = m->member[k].post;
		} else if (kept) { /* its comma and itself are gone, the white space around it stays */
			fl_buf_printf(out, "%s", post);
			post = m->member[k].post;
		} else {
			post = m->member[k].post;
		}
	}
	fl_buf_printf(out, "%s", post);
	for (int k = 0; k < m->writes; k++) {
		int name = m->order[k], there = 0;
		for (int j = 0; j < m->n; j++)
			there |= m->member[j].name == name;
		if (there || !*m->written[name])
			continue;
		fl_buf_printf(out, "%s\"%s\":%s", kept ? "," : "", name == 4 ? "q\\\"" : NAME[name], m->written[name]);
		kept = 1;
	}
	fl_buf_printf(out, "}");
}

static void write_both(struct model *m, struct batch *b)
{
	static const char *const text[] = {"", "3", "\"new\"", "[1, 2]", "null", "false", "-9007199254740993", "0.1", ""};
	int name = rand() % NAMES;
	const char *w = text[rand() % 9];
	if (!m->written[name])
		m->order[m->writes++] = name;
	m->written[name] = w;
	if (*w)
		assert_int_equal(fl_events_set_json(b->ev, (uint32_t)name, 0, fl_str(w)), 0);
	else
		fl_events_remove(b->ev, (uint32_t)name, 0);
}

static void test_random_writes_like_a_model(void **state)
{
	struct fl_fields *f = fl_fields_new();
	struct batch b = {.fields = f, .to = &fl_codec_json};
	struct fl_buf text = {0};
	struct model m;
	char err[FL_ERRLEN];
	(void)state;
	srand(3);
	for (int k = 0; k < NAMES; k++)
		fl_fields_add(f, fl_str(NAME[k]));
	b.ev = fl_events_new(f, &fl_codec_json, (struct fl_limits){0}, 1);
	for (int round = 0; round < 50000; round++) {
		make_model(&m);
		print_model(&m, &text);
		batch_load_bytes(&b, text.p, text.len);
		assert_int_equal(b.ev->b.outcome[0], FL_PASS);
		for (int writes = rand() % 5; writes; writes--)
			write_both(&m, &b);
		print_model(&m, &text);
		fl_buf_byte(&text, 0);
		const char *out = batch_out(&b);
		if (strcmp(out, text.p) != 0)
			fail_msg("%.*s became %s, not %s", (int)b.ev->b.value[0].len, b.ev->b.value[0].p, out, text.p);
		assert_int_equal(fl_json_check(fl_str(out), 64, err), 0);
	}
	fl_buf_free(&text);
	batch_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_removes_with_its_comma),
		cmocka_unit_test(test_appends_in_the_order_of_writing),
		cmocka_unit_test(test_replaces_in_place),
		cmocka_unit_test(test_random_writes_like_a_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
