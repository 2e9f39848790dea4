/* A torture set of records, judged by Python's JSON parser (judge.py) and by the codec: both must accept the same ones
 * and find the same values (skipped without python3); and a record must not feel its neighbours in a batch. */
#include "batch_helper.h"

#include <unistd.h>

#include "event/index.h"

#define FIELDS 5 /* in the order of judge.py */
#define COLUMNS "x y  \xC3\xA9 id"

/* Records, each with a u32 length before it. */
static struct fl_buf set;
static uint32_t records;

static void add(const char *p, size_t n)
{
	uint32_t len = (uint32_t)n;
	fl_buf_add(&set, &len, sizeof len);
	fl_buf_add(&set, p, n);
	records++;
}

#define R(s) {s, sizeof(s) - 1}
static const struct fl_str whole[] = {
	R("{}"), R(" \t\r\n{ \t\r\n} \t\r\n"), R("{\"x\":1}"), R("{ \"x\" : 1 , \"y\" : 2 }"), R("\n{\n\t\"x\"\n:\n1\n,\n\"y\"\t:\r2\n}\n"),
	R("{\"id\":\"sailboat-0001\",\"x\":21.0250,\"y\":52.4375,\"timestamp\":1715479897.123456}"),
	R("{\"x\":0,\"y\":-0,\"\":-0.0,\"\xC3\xA9\":0.0,\"id\":0e0}"), R("{\"x\":1e400}"), R("{\"z\":1e400}"), R("{\"x\":-1e400,\"x\":1}"), R("{\"x\":1e-400,\"y\":-1e-400}"),
	R("{\"x\":9007199254740991,\"y\":9007199254740992,\"\":9007199254740993,\"id\":-9007199254740993}"),
	R("{\"x\":9223372036854775807,\"y\":9223372036854775808,\"\":-9223372036854775808,\"id\":-9223372036854775809}"),
	R("{\"x\":18446744073709551615,\"y\":18446744073709551616,\"id\":123456789012345678901234567890}"),
	R("{\"x\":1.7976931348623157e308,\"y\":1.7976931348623159e308}"), R("{\"x\":5e-324,\"y\":2.2250738585072014E-308,\"id\":1E+5}"),
	R("{\"x\":0.1,\"y\":123456789.123456789,\"\":1e23,\"id\":8.41e21}"), R("{\"x\":01}"), R("{\"x\":1.}"), R("{\"x\":.5}"), R("{\"x\":+1}"), R("{\"x\":-}"), R("{\"x\":1e}"),
	R("{\"x\":NaN}"), R("{\"x\":Infinity}"), R("{\"x\":-Infinity}"), R("{\"x\":nul}"), R("{\"x\":nulll}"), R("{\"x\":True}"), R("{\"x\":0x1}"), R("{\"x\":1 2}"),
	R("{\"x\":true,\"y\":false,\"\":null,\"id\":[],\"\xC3\xA9\":{}}"), R("{\"x\":[1,2,[3,{\"x\":4}]],\"y\":{\"x\":{\"y\":[]}},\"id\":[{}]}"),
	R("{\"x\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"y\":\"\\u0000\\u001F\\u00e9\\u20AC\"}"), R("{\"x\":\"\\uD83D\\uDE00\",\"y\":\"\xF0\x9F\x98\x80\"}"),
	R("{\"x\":\"\\uD83D\"}"), R("{\"x\":\"\\uDE00\"}"), R("{\"x\":\"\\uD83D\\uD83D\"}"), R("{\"x\":\"\\uD83Dx\"}"), R("{\"z\":\"\\uDE00\"}"), R("{\"\\uDE00\":1}"),
	R("{\"x\":\"\\x\"}"), R("{\"x\":\"\\u12G4\"}"), R("{\"x\":\"\\u12\"}"), R("{\"x\":\"\\\"}"), R("{\"x\":\"\\\\\"}"), R("{\"x\":\"\\\\\\\"}"), R("{\"x\":\"a\tb\"}"), R("{\"x\":\"a\0b\"}"),
	R("{\"\\u0078\":1,\"\\u0069\\u0064\":2,\"\\u00e9\":3}"), R("{\"\":1}"), R("{\"\":1,\"\":2}"), R("{\"x\":1,\"x\":2,\"x\":3}"), R("{\"x\":1,\"\\u0078\":\"two\"}"), R("{\"x\":{\"x\":1},\"x\":[2]}"),
	R("{\"x\":\"\xC3\xA9\xE2\x82\xAC\"}"), R("{\"x\":\"\xC3\"}"), R("{\"x\":\"\x80\"}"), R("{\"x\":\"\xC0\xAF\"}"), R("{\"x\":\"\xED\xA0\x80\"}"), R("{\"x\":\"\xF4\x90\x80\x80\"}"), R("{\"x\":\"\xEF\xBF\xBF\"}"), R("{\xC3\xA9:1}"),
	R("\xEF\xBB\xBF{}"), R("\xFF\xFE{}"), R(""), R(" "), R("["), R("]"), R("[]"), R("[{\"x\":1}]"), R("\"x\""), R("1"), R("null"), R("{{}}"), R("{\"x\":1}{}"), R("{\"x\":1},"), R("{\"x\":1}\0"), R("{\"x\":1}x"),
	R("{\"x\"}"), R("{\"x\":}"), R("{:1}"), R("{,}"), R("{\"x\":1,,\"y\":2}"), R("{\"x\":1,}"), R("{\"x\":[1,]}"), R("{\"x\":[,1]}"), R("{\"x\":{]}}"), R("{\"x\":[}]}"), R("{\"x\":(1)}"), R("{'x':1}"), R("{x:1}"), R("{\"x\":1;\"y\":2}"),
	R("{\"x\":\"a\"\"b\"}"), R("{\"x\":\"a\"b}"), R("{\"x\":tru\"e\"}"), R("{\"x\":1/*c*/}"), R("{//\n\"x\":1}"), R("{\"x\":1\x0C}"), R("{\"x\":1\xC2\xA0}"), R("{\"x\":\\\"a\"}"), R("{\"z\":\\,\"x\":1}"), R("{\"x\":\"\x7F\"}"),
};

static void add_nested(int depth, char open, char close)
{
	struct fl_buf b = {0};
	FL_BUF_LIT(&b, "{\"x\":");
	for (int k = 1; k < depth; k++)
		fl_buf_printf(&b, open == '{' && k + 1 < depth ? "{\"a\":" : "%c", open);
	for (int k = 1; k < depth; k++)
		fl_buf_byte(&b, close);
	fl_buf_byte(&b, '}');
	add(b.p, b.len);
	fl_buf_free(&b);
}

static void add_long(void)
{
	struct fl_buf b = {0};
	FL_BUF_LIT(&b, "{\"x\":\"");
	for (int k = 0; k < 70000; k++)
		fl_buf_printf(&b, k % 100 ? "%c" : "\\n%c", 'a' + k % 26);
	FL_BUF_LIT(&b, "\",\"y\":[0");
	for (int k = 0; k < 20000; k++)
		fl_buf_printf(&b, ",%d", k);
	FL_BUF_LIT(&b, "]");
	for (int k = 0; k < 2000; k++)
		fl_buf_printf(&b, ",\"k%d\":%d", k, k);
	FL_BUF_LIT(&b, ",\"id\":7}");
	add(b.p, b.len);
	fl_buf_free(&b);
}

static const char *pick(const char *const *list, size_t n) { return list[(size_t)rand() % n]; }
#define PICK(list) pick(list, sizeof(list) / sizeof *(list))

static void add_random_number(struct fl_buf *b)
{
	static const char *const whole_part[] = {"0", "7", "21", "1715479897", "9007199254740993", "18446744073709551615", "123456789012345678901"};
	fl_buf_printf(b, "%s%s", rand() % 4 ? "" : "-", PICK(whole_part));
	if (rand() % 2)
		fl_buf_printf(b, ".%0*d", 1 + rand() % 18, rand() % 1000000);
	if (rand() % 4 == 0)
		fl_buf_printf(b, "%c%s%d", rand() % 2 ? 'e' : 'E', rand() % 3 ? rand() % 2 ? "-" : "" : "+", rand() % 330);
}

/* Mostly a valid record. */
static void add_random(void)
{
	static const char *const key[] = {"x", "y", "", "\xC3\xA9", "id", "\\u0078", "i\\u0064", "other", "X", "a much longer key than those that are remembered by position"};
	static const char *const text[] = {"", "plain", "\\n", "\\\\", "\\\\\\\"", "\\u00e9", "\xE2\x82\xAC", "\\uD83D\\uDE00", "}", "{\\\"x\\\":1}", ",", ":", "\\/", "\\uD83D"};
	static const char *const other[] = {"true", "false", "null", "[]", "{}", "[1,\"]\",{\"x\":[{}]}]", "{\"x\":1,\"y\":\"}\"}", "[[[]]]", "tru", "[1,]"};
	static const char *const space[] = {"", "", "", " ", "\n", "\t \r\n"};
	struct fl_buf b = {0};
	fl_buf_printf(&b, "%s{%s", PICK(space), PICK(space));
	for (int k = 0, n = rand() % 9; k < n; k++) {
		fl_buf_printf(&b, "%s%s\"%s\"%s:%s", k ? "," : "", PICK(space), PICK(key), PICK(space), PICK(space));
		if (rand() % 2)
			add_random_number(&b);
		else if (rand() % 2)
			fl_buf_printf(&b, "\"%s%s%s\"", PICK(text), PICK(text), PICK(text));
		else
			fl_buf_printf(&b, "%s", PICK(other));
		fl_buf_printf(&b, "%s", PICK(space));
	}
	fl_buf_printf(&b, "}%s", PICK(space));
	add(b.p, b.len);
	fl_buf_free(&b);
}

static int make_set(void **state)
{
	(void)state;
	char copy[512];
	srand(11);
	for (size_t k = 0; k < sizeof whole / sizeof *whole; k++) {
		struct fl_str r = whole[k];
		add(r.p, r.len);
		for (uint32_t cut = 0; cut < r.len; cut++)
			add(r.p, cut);
		for (int flips = 0; flips < 60 && r.len; flips++) {
			memcpy(copy, r.p, r.len);
			for (int n = rand() % 2; n >= 0; n--)
				copy[(size_t)rand() % r.len] ^= (char)(1 << rand() % 8);
			if (flips % 3 == 0) /* a byte that means something in JSON */
				copy[(size_t)rand() % r.len] = "{}[]:,\"\\ 0e-.tn"[rand() % 15];
			add(copy, r.len);
		}
	}
	for (int k = 0; k < 5000; k++)
		add_random();
	for (int depth = 62; depth < 68; depth++) {
		add_nested(depth, '[', ']');
		add_nested(depth, '{', '}');
		add_nested(depth, '[', '}');
	}
	add_nested(5000, '[', ']');
	add_long();
	return 0;
}

static int free_set(void **state)
{
	(void)state;
	fl_buf_free(&set);
	return 0;
}

/* The values of the fields as judge.py writes them. */
static void show(const struct fl_events *ev, uint32_t i, struct fl_buf *out)
{
	out->len = 0;
	if (ev->b.outcome[i] != FL_PASS) {
		FL_BUF_LIT(out, "R\0");
		return;
	}
	FL_BUF_LIT(out, "A");
	for (int f = 0; f < FIELDS; f++) {
		const struct fl_column *c = ev->b.column[f];
		struct fl_str s = c->str[i];
		uint64_t bits;
		memcpy(&bits, &c->num[i], sizeof bits);
		switch (c->type[i]) {
		case FL_ABSENT: FL_BUF_LIT(out, " -"); break;
		case FL_NULL: FL_BUF_LIT(out, " z"); break;
		case FL_NESTED: FL_BUF_LIT(out, " o"); break;
		case FL_BOOL: fl_buf_printf(out, " b%d", (int)c->num[i]); break;
		case FL_NUMBER: fl_buf_printf(out, " n%016llx", (unsigned long long)bits); break;
		case FL_BIGINT: fl_buf_printf(out, " i%.*s", (int)s.len, s.p); break;
		default:
			FL_BUF_LIT(out, " s");
			for (uint32_t k = 0; k < s.len; k++)
				fl_buf_printf(out, "%02x", (unsigned char)s.p[k]);
		}
	}
	fl_buf_byte(out, 0);
}

/* Strict decoding must agree wholly; the usual one must take all that Python takes, with the same values. */
static void compare(FILE *verdicts)
{
	struct batch strict, usual;
	struct fl_buf ours = {0};
	char *line = NULL;
	size_t room = 0, at = 0;
	batch_open(&strict, &fl_codec_json, (struct fl_limits){.full = 1, .record = 10 << 20}, COLUMNS, NULL);
	batch_open(&usual, &fl_codec_json, (struct fl_limits){.record = 10 << 20}, COLUMNS, NULL);
	for (uint32_t k = 0; k < records; k++) {
		uint32_t len;
		memcpy(&len, set.p + at, sizeof len);
		const char *record = set.p + at + sizeof len;
		at += sizeof len + len;
		assert_true(getline(&line, &room, verdicts) > 0);
		line[strcspn(line, "\n")] = 0;
		batch_load_bytes(&strict, record, len);
		show(strict.ev, 0, &ours);
		if (strcmp(ours.p, line) != 0)
			fail_msg("record %u, %.*s: Python says %s, the codec %s", k, (int)len, record, line, ours.p);
		batch_load_bytes(&usual, record, len);
		show(usual.ev, 0, &ours);
		if (line[0] == 'A' && strcmp(ours.p, line) != 0)
			fail_msg("record %u, %.*s, not strictly: Python says %s, the codec %s", k, (int)len, record, line, ours.p);
		batch_out(&usual);
		assert_memory_equal(usual.out.p, record, len);
	}
	assert_true(getline(&line, &room, verdicts) < 0);
	free(line);
	fl_buf_free(&ours);
	batch_close(&strict);
	batch_close(&usual);
}

static void test_agrees_with_python(void **state)
{
	char dir[] = "/tmp/fl-judge-XXXXXX", path[64], command[256];
	(void)state;
	if (system("python3 -c pass 2>/dev/null") != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/records", dir);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(set.p, 1, set.len, f), set.len);
	assert_int_equal(fclose(f), 0);
	snprintf(command, sizeof command, "python3 tests/event/judge.py %s", path);
	FILE *verdicts = popen(command, "r");
	assert_non_null(verdicts);
	compare(verdicts);
	assert_int_equal(pclose(verdicts), 0);
	unlink(path);
	rmdir(dir);
}

struct known {
	struct fl_str record;
	char *verdict; /* what it is when decoded alone */
	int indexed;   /* its tokens can be found, whatever they mean */
};

static struct known *decode_alone(struct fl_limits limits)
{
	struct known *known = fl_alloc(records * sizeof *known);
	struct fl_index *x = fl_index_new();
	struct fl_buf text = {0};
	struct batch b;
	size_t at = 0;
	batch_open(&b, &fl_codec_json, limits, COLUMNS, NULL);
	for (uint32_t k = 0; k < records; k++) {
		const uint32_t *tokens;
		uint32_t len, n;
		memcpy(&len, set.p + at, sizeof len);
		known[k].record = (struct fl_str){set.p + at + sizeof len, len};
		at += sizeof len + len;
		batch_load_bytes(&b, known[k].record.p, len);
		known[k].indexed = fl_index_text(x, b.record.p, len, &tokens, &n) == 0;
		show(b.ev, 0, &text);
		known[k].verdict = fl_strdup(text.p);
	}
	batch_close(&b);
	fl_buf_free(&text);
	fl_index_free(x);
	return known;
}

/* A batch of records picked at random: one behind the other as lines, or each elsewhere. Most batches are of records
 * that are indexed at once; in the others some are not, and the codec must go back to one by one. */
static void decode_together(struct batch *b, const struct known *known, int lines, int all_indexed)
{
	static uint32_t pick[FL_BATCH_MAX];
	struct fl_buf text = {0}, shown = {0};
	size_t from[FL_BATCH_MAX];
	uint32_t n = 1 + (uint32_t)rand() % FL_BATCH_MAX;
	for (uint32_t i = 0; i < n; i++) {
		do
			pick[i] = (uint32_t)rand() % records;
		while (known[pick[i]].record.len > 300 || (all_indexed && !known[pick[i]].indexed));
		from[i] = text.len;
		fl_buf_add(&text, known[pick[i]].record.p, known[pick[i]].record.len);
		FL_BUF_LIT(&text, "\n\n");
		text.len -= (size_t)lines;
	}
	fl_buf_room(&text, FL_PAD);
	fl_events_begin(b->ev, "test", 0, 0);
	for (uint32_t i = 0; i < n; i++)
		fl_events_add(b->ev, i, 0, (struct fl_str){0}, (struct fl_str){text.p + from[i], known[pick[i]].record.len}, (struct fl_str){0});
	fl_events_decode(b->ev);
	for (uint32_t i = 0; i < n; i++) {
		show(b->ev, i, &shown);
		if (strcmp(shown.p, known[pick[i]].verdict) != 0)
			fail_msg("record %u of %u, %.*s: alone it is %s, with others %s", i, n, (int)known[pick[i]].record.len,
				known[pick[i]].record.p, known[pick[i]].verdict, shown.p);
	}
	fl_buf_free(&text);
	fl_buf_free(&shown);
}

static void test_neighbours_change_nothing(void **state)
{
	(void)state;
	for (int full = 0; full < 2; full++) {
		struct fl_limits limits = {.full = full, .record = 10 << 20};
		struct known *known = decode_alone(limits);
		struct batch b;
		batch_open(&b, &fl_codec_json, limits, COLUMNS, NULL);
		for (int round = 0; round < 400; round++)
			decode_together(&b, known, round & 1, round % 5 != 0);
		batch_close(&b);
		for (uint32_t k = 0; k < records; k++)
			free(known[k].verdict);
		free(known);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agrees_with_python),
		cmocka_unit_test(test_neighbours_change_nothing),
	};
	return cmocka_run_group_tests(tests, make_set, free_set);
}
