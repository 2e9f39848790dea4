/* Options of a conf into a plugin's struct: values, defaults, and every complaint word for word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "plugin/plugin.h"

struct conf {
	const char *text;
	int64_t whole, size;
	double number, span;
	uint8_t flag;
	uint32_t field, to, by;
	struct fl_map columns;
};

#define AT(member) offsetof(struct conf, member)
static const struct fl_option OPTIONS[] = {
	{"text", FL_OPT_STRING, NULL, "a text", AT(text), NULL},
	{"whole", FL_OPT_INT, "-3", "a whole number", AT(whole), NULL},
	{"number", FL_OPT_NUMBER, "0.5", "a number", AT(number), NULL},
	{"flag", FL_OPT_BOOL, "true", "yes or no", AT(flag), NULL},
	{"span", FL_OPT_DURATION, "5s", "a time", AT(span), NULL},
	{"size", FL_OPT_SIZE, "1MiB", "bytes", AT(size), NULL},
	{"field", FL_OPT_FIELD, "!", "the field", AT(field), NULL},
	{"to", FL_OPT_STREAM, NULL, "where to", AT(to), NULL},
	{"by", FL_OPT_CHOICE, "partition", "how", AT(by), "key|partition|all"},
	{"columns", FL_OPT_MAP, NULL, "the columns", AT(columns), NULL},
	{0},
};
static const struct fl_plugin PLUGIN = {.kind = FL_TRANSFORM, .name = "speed", .options = OPTIONS, .conf_size = sizeof(struct conf)};

#define TEXT(n, t) {.kind = FL_V_STRING, .name = (char *)(uintptr_t)(n), .text = (char *)(uintptr_t)(t), .line = 7}
#define NUM(n, v) {.kind = FL_V_NUMBER, .name = (char *)(uintptr_t)(n), .number = (v), .line = 7}
#define BOOLEAN(n, v) {.kind = FL_V_BOOL, .name = (char *)(uintptr_t)(n), .number = (v), .line = 7}
#define STREAM(n, v) {.kind = FL_V_STREAM, .name = (char *)(uintptr_t)(n), .number = (v), .text = (char *)(uintptr_t) "late", .line = 7}
#define TIME(n, t) {.kind = FL_V_WORD, .name = (char *)(uintptr_t)(n), .word = (char *)(uintptr_t) "time", .text = (char *)(uintptr_t)(t), .line = 9}
#define MAP(key, items) {.kind = FL_V_MAP, .name = (char *)(uintptr_t)(key), .n = sizeof(items) / sizeof *(items), .item = (items), .line = 7}

static void everything_given(void **state)
{
	(void)state;
	struct fl_value columns[] = {TIME("at", "stamp"), TEXT("boat", "id")};
	struct fl_value items[] = {
		BOOLEAN("flag", 0), MAP("columns", columns), TEXT("field", "x"), NUM("number", 2), TEXT("size", "64MiB"), TEXT("span", "1.5h"),
		TEXT("text", "hello"), STREAM("to", 4), NUM("whole", 9007199254740992.0), TEXT("by", "all"),
	};
	struct fl_value opts = MAP(NULL, items);
	struct fl_fields *fields = fl_fields_new();
	uint32_t id = fl_fields_add(fields, fl_str("id")), x = fl_fields_add(fields, fl_str("x")), stamp = fl_fields_add(fields, fl_str("stamp"));
	struct fl_arena arena = {0};
	struct fl_filling f = {"plugin", &arena, fields, 0};
	struct conf c = {0};
	char err[FL_ERRLEN] = "";
	int line;
	assert_int_equal(fl_options_fill(&PLUGIN, &opts, &f, &c, &line, err), 0);
	assert_string_equal(c.text, "hello");
	assert_int_equal(c.whole, 9007199254740992);
	assert_int_equal(c.size, 64 << 20);
	assert_true(c.number == 2 && c.span == 5400 && c.flag == 0);
	assert_int_equal(c.field, x);
	assert_int_equal(c.to, 4);
	assert_int_equal(c.by, 2);
	assert_int_equal(c.columns.n, 2);
	assert_string_equal(c.columns.entry[0].name, "at");
	assert_string_equal(c.columns.entry[0].as, "time");
	assert_int_equal(c.columns.entry[0].field, stamp);
	assert_string_equal(c.columns.entry[1].value, "id");
	assert_null(c.columns.entry[1].as);
	assert_int_equal(c.columns.entry[1].field, id);
	fl_arena_free(&arena);
	fl_fields_free(fields);
}

static void defaults(void **state)
{
	(void)state;
	struct fl_value items[] = {TEXT("field", "x")};
	struct fl_value opts = MAP(NULL, items);
	struct fl_arena arena = {0};
	struct fl_filling f = {"plugin", &arena, NULL, 1};
	struct conf c = {0};
	char err[FL_ERRLEN];
	int line;
	assert_int_equal(fl_options_fill(&PLUGIN, &opts, &f, &c, &line, err), 0);
	assert_null(c.text);
	assert_int_equal(c.whole, -3);
	assert_int_equal(c.size, 1 << 20);
	assert_true(c.number == 0.5 && c.span == 5 && c.flag == 1);
	assert_int_equal(c.to, FL_NO_STREAM);
	assert_int_equal(c.by, 1);
	assert_int_equal(c.columns.n, 0);
	fl_arena_free(&arena);
}

static void lists_name_columns_as_their_fields(void **state)
{
	(void)state;
	struct fl_value list[] = {TEXT(NULL, "id"), TIME(NULL, "stamp")};
	struct fl_value items[] = {MAP("columns", list), TEXT("field", "x")};
	items[0].kind = FL_V_LIST;
	struct fl_value opts = MAP(NULL, items);
	struct fl_arena arena = {0};
	struct fl_filling f = {"plugin", &arena, NULL, 1};
	struct conf c = {0};
	char err[FL_ERRLEN];
	int line;
	assert_int_equal(fl_options_fill(&PLUGIN, &opts, &f, &c, &line, err), 0);
	assert_string_equal(c.columns.entry[0].name, "id");
	assert_string_equal(c.columns.entry[1].name, "stamp");
	assert_string_equal(c.columns.entry[1].as, "time");
	fl_arena_free(&arena);
}

static void complaints(void **state)
{
	(void)state;
	struct fl_value no_text[] = {NUM("boat", 3)};
	const struct {
		struct fl_value item;
		const char *says;
	} bad[] = {
		{TEXT("spam", "x"), "unknown option \"spam\" of plugin \"speed\" (it has text, whole, number, flag, span, size, field, to, by, columns); did "
		                    "you mean \"span\"?"},
		{TEXT("zzzzzz", "x"), "unknown option \"zzzzzz\" of plugin \"speed\" (it has text, whole, number, flag, span, size, field, to, by, columns)"},
		{NUM("span", 5), "option \"span\" of plugin \"speed\" takes a duration such as \"5s\", \"200ms\", \"1.5h\" or \"7d\"; found the number 5"},
		{TEXT("span", "5 s"), "option \"span\" of plugin \"speed\" takes a duration such as \"5s\", \"200ms\", \"1.5h\" or \"7d\"; found \"5 s\""},
		{TEXT("size", "5mb"), "option \"size\" of plugin \"speed\" takes a size such as \"64MiB\", \"10kB\" or a number of bytes; found \"5mb\""},
		{NUM("size", -1), "option \"size\" of plugin \"speed\" takes a size such as \"64MiB\", \"10kB\" or a number of bytes; found the number -1"},
		{NUM("whole", 1.5), "option \"whole\" of plugin \"speed\" takes a whole number; found the number 1.5"},
		{NUM("whole", 1e300), "option \"whole\" of plugin \"speed\" takes a whole number; found the number 1.0000000000000001e+300"},
		{TEXT("whole", "3"), "option \"whole\" of plugin \"speed\" takes a whole number; found \"3\""},
		{NUM("number", 1.0 / 0.0), "option \"number\" of plugin \"speed\" takes a number; found the number inf"},
		{TEXT("flag", "yes"), "option \"flag\" of plugin \"speed\" takes true or false; found \"yes\""},
		{BOOLEAN("text", 1), "option \"text\" of plugin \"speed\" takes a string; found true"},
		{TEXT("to", "late"), "option \"to\" of plugin \"speed\" takes a stream, as stream \"name\" { } gives it; found \"late\""},
		{STREAM("text", 1), "option \"text\" of plugin \"speed\" takes a string; found a stream"},
		{TEXT("by", "kye"), "option \"by\" of plugin \"speed\" takes \"key\", \"partition\" or \"all\"; found \"kye\"; did you mean \"key\"?"},
		{NUM("by", 1), "option \"by\" of plugin \"speed\" takes \"key\", \"partition\" or \"all\"; found the number 1"},
		{TEXT("field", ""), "option \"field\" of plugin \"speed\" takes the name of a field; found \"\""},
		{TIME("field", "x"), "option \"field\" of plugin \"speed\" takes the name of a field; found time \"x\""},
		{TEXT("columns", "id"), "option \"columns\" of plugin \"speed\" takes a table of fields such as { column = \"field\", at = time \"field\" }; found "
		                        "\"id\""},
		{MAP("columns", no_text), "entry \"boat\" of option \"columns\" of plugin \"speed\" takes the name of a field, or time \"field\"; found the number 3"},
		{NUM("x", 3), "unknown option \"x\" of plugin \"speed\" (it has text, whole, number, flag, span, size, field, to, by, columns)"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct fl_value items[] = {bad[i].item, TEXT("field", "x")};
		struct fl_value opts = MAP(NULL, items);
		char err[FL_ERRLEN] = "";
		int line = 0;
		assert_int_equal(fl_options_check(&PLUGIN, &opts, &line, err), -1);
		assert_string_equal(err, bad[i].says);
		assert_int_equal(line, bad[i].item.line);
	}
}

static void needed_ones(void **state)
{
	(void)state;
	char err[FL_ERRLEN];
	struct fl_value opts = {.kind = FL_V_MAP, .line = 3};
	int line = 0;
	assert_int_equal(fl_options_check(&PLUGIN, &opts, &line, err), -1);
	assert_string_equal(err, "plugin \"speed\" needs the option \"field\" (the field): the name of a field");
	assert_int_equal(line, 3);
	assert_int_equal(fl_options_check(&PLUGIN, NULL, NULL, err), -1);
}

static void sources_have_no_fields(void **state)
{
	(void)state;
	struct fl_plugin source = PLUGIN;
	struct fl_value items[] = {TEXT("field", "x")};
	struct fl_value opts = MAP(NULL, items);
	char err[FL_ERRLEN];
	source.kind = FL_SOURCE;
	assert_int_equal(fl_options_check(&source, &opts, NULL, err), -1);
	assert_string_equal(err, "option \"field\" of plugin \"speed\" is a field, but a source has no records to read");
}

/* A value is cut when it is shown, and a part of a secret is one too. */
static void secrets_stay_hidden_even_when_cut(void **state)
{
	(void)state;
	char secret[400], err[FL_ERRLEN];
	memset(secret, 's', sizeof secret);
	secret[399] = 0;
	fl_secret_add(secret);
	struct fl_value items[] = {TEXT("span", secret), TEXT("field", "x")};
	struct fl_value opts = MAP(NULL, items);
	assert_int_equal(fl_options_check(&PLUGIN, &opts, NULL, err), -1);
	assert_null(strstr(err, "ssss"));
	assert_non_null(strstr(err, "found \"***\""));
	items[0].name = secret;
	assert_int_equal(fl_options_check(&PLUGIN, &opts, NULL, err), -1);
	assert_null(strstr(err, "ssss"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_given), cmocka_unit_test(defaults), cmocka_unit_test(lists_name_columns_as_their_fields),
		cmocka_unit_test(complaints), cmocka_unit_test(needed_ones), cmocka_unit_test(sources_have_no_fields),
		cmocka_unit_test(secrets_stay_hidden_even_when_cut),
	};
	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
