/* Confs that are wrong, and what is said of each, word for word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_helper.h"

#define HEAD "app \"yacht\"\nlocal a, b = stream \"a\" { }, stream \"b\" { }\n"
#define LANGUAGE                                                                                                                      \
	" is nothing here: a conf has the words app, stream, source, pipeline, sink, web, plugin, script, env, time, kafka, option and its " \
	"own locals"

struct bad {
	const char *conf, *says;
};

static void assert_bad(const struct bad *bad, size_t n)
{
	char err[FL_ERRLEN];
	for (size_t i = 0; i < n; i++) {
		struct fl_plan *plan = read_conf(bad[i].conf, NULL, 0, err);
		if (plan)
			fail_msg("was taken:\n%s", bad[i].conf);
		assert_string_equal(err, bad[i].says);
	}
}
#define ASSERT_BAD(table) assert_bad(table, sizeof(table) / sizeof *(table))

static void the_language(void **state)
{
	(void)state;
	static const struct bad bad[] = {
		{"app \"x\"\n\npluging \"y\" { }", "conf/yacht.lua:3: \"pluging\"" LANGUAGE "; did you mean \"plugin\"?"},
		{"print(1)", "conf/yacht.lua:1: \"print\"" LANGUAGE},
		{"io.open('/etc/passwd')", "conf/yacht.lua:1: \"io\"" LANGUAGE},
		{"local x = os", "conf/yacht.lua:1: \"os\"" LANGUAGE},
		{"require 'ffi'", "conf/yacht.lua:1: \"require\"" LANGUAGE},
		{"\nx = 1", "conf/yacht.lua:2: \"x\" is set without local: write local x = …"},
		{"stream = 1", "conf/yacht.lua:1: \"stream\" is set without local: write local stream = …"},
		{"app \"x\"\nlocal = 3", "conf/yacht.lua:2: '<name>' expected near '='"},
		{"\033LJ\2", "conf/yacht.lua:1: attempt to load chunk with wrong mode"},
		{"error('boo\033[31m')", "conf/yacht.lua:1: boo [31m"},
		{"error({})", "conf/yacht.lua:1: the conf raised an error that is not a text"},
		{"local s = stream \"a\"\n\nlocal t = s .. 'x'", "conf/yacht.lua:3: attempt to concatenate local 's' (a userdata value)"},
		{"local s = stream \"a\"\nlocal t = s.name", "conf/yacht.lua:2: stream \"a\" can only be handed on: it has no fields"},
		{"local s = stream \"a\"\ns.name = 3", "conf/yacht.lua:2: stream \"a\" can only be handed on: it has no fields"},
		{"local x\n\nwhile true do\n x = 1 end", "conf/yacht.lua:4: the conf ran 10 million steps and was stopped here: a conf only declares, so look "
		                                          "for a loop without an end"},
		{"local function f() return f() end\nf()", "conf/yacht.lua:1: the conf ran 10 million steps and was stopped here: a conf only declares, so look "
		                                            "for a loop without an end"},
		{"string.rep('x', 1e9)", "conf/yacht.lua:1: about here the conf takes more than the 32 MiB of memory that it may have"},
		{"for i = 1, 1e9 do stream('s' .. i) end", "conf/yacht.lua:1: the conf declares more than 4096 things"},
		{"('x'):find('y')", "conf/yacht.lua:1: attempt to call method 'find' (a nil value)"},
	};
	ASSERT_BAD(bad);
}

static void names(void **state)
{
	(void)state;
	static const struct bad bad[] = {
		{"local s = stream \"a\"", "conf/yacht.lua:1: the conf does not say which app it is: begin it with app \"name\""},
		{"app \"a\"\napp \"b\"", "conf/yacht.lua:2: app \"b\": the conf has its name in line 1 already"},
		{"app \"a b\"", "conf/yacht.lua:1: \"a b\" can't be the name of an app: it has 1 to 200 letters, digits, . _ - and no . in front"},
		{"app \"../x\"", "conf/yacht.lua:1: \"../x\" can't be the name of an app: it has 1 to 200 letters, digits, . _ - and no . in front"},
		{"app \"\"", "conf/yacht.lua:1: \"\" can't be the name of an app: it has 1 to 200 letters, digits, . _ - and no . in front"},
		{"app { }", "conf/yacht.lua:1: app takes a name: write app \"name\""},
		{"stream { }", "conf/yacht.lua:1: stream takes a name: write stream \"name\" { … }"},
		{"app \"x\"\nstream \"a\"\nstream \"b\"\nstream \"a\" { }", "conf/yacht.lua:4: stream \"a\" has the name of the stream in line 2: each needs its own"},
		{HEAD "sink \"p\" { from = a, plugin \"stdout\" }\nweb \"p\" { from = a, page = \"x\" }",
		 "conf/yacht.lua:4: web \"p\" has the name of the sink in line 3: each needs its own"},
		{HEAD "a { } a { }", "conf/yacht.lua:3: stream \"a\" has its table already, in line 2"},
		{HEAD "pipeline \"p\" (3)", "conf/yacht.lua:3: pipeline \"p\" takes a table: write pipeline \"p\" { … }"},
		{HEAD "pipeline \"p\"", "conf/yacht.lua:3: pipeline \"p\" has no table: write pipeline \"p\" { … }"},
	};
	ASSERT_BAD(bad);
}

#define STREAM(options) "app \"x\"\nlocal s = stream \"a\" {\n  " options "\n}"

static void streams(void **state)
{
	(void)state;
	static const struct bad bad[] = {
		{STREAM("key = \"id\",\n  partition = 3"), "conf/yacht.lua:4: unknown option \"partition\" of stream \"a\" (it has partitions, key, time, codec, keep, "
		                                           "keep_bytes, record, depth, validate); did you mean \"partitions\"?"},
		{STREAM("partitions = 0"), "conf/yacht.lua:3: option \"partitions\" of stream \"a\" takes 1 to 1024; found 0"},
		{STREAM("partitions = 1025"), "conf/yacht.lua:3: option \"partitions\" of stream \"a\" takes 1 to 1024; found 1025"},
		{STREAM("partitions = \"6\""), "conf/yacht.lua:3: option \"partitions\" of stream \"a\" takes a whole number; found \"6\""},
		{STREAM("key = 3"), "conf/yacht.lua:3: option \"key\" of stream \"a\" takes a string; found the number 3"},
		{STREAM("key = \"\""), "conf/yacht.lua:3: the key of stream \"a\" is the name of a field; found \"\""},
		{STREAM("time = 3"), "conf/yacht.lua:3: option \"time\" of stream \"a\" takes a string; found the number 3"},
		{STREAM("time = { \"t\", unit = \"sec\" }"), "conf/yacht.lua:3: option \"unit\" of time of stream \"a\" takes \"s\", \"ms\", \"us\" or \"ns\"; found \"sec\""},
		{STREAM("time = { unit = \"ms\" }"), "conf/yacht.lua:3: time of stream \"a\" needs the option \"field\" (the field that has the time): a string"},
		{STREAM("time = { \"t\", unit = \"ms\", format = \"%Y\" }"),
		 "conf/yacht.lua:3: the time of stream \"a\" has a unit, for numbers, and a format, for texts: leave one out"},
		{STREAM("time = { \"t\", format = \"Y\" }"),
		 "conf/yacht.lua:3: the time format \"Y\" of stream \"a\" has no % in it: write it as strptime has it, such as \"%Y-%m-%d %H:%M:%S\""},
		{STREAM("time = { \"t\", \"u\" }"), "conf/yacht.lua:3: a time is one field: write time = \"field\" or time = { \"field\", unit = \"ms\" }"},
		{STREAM("codec = \"jsn\""), "conf/yacht.lua:3: stream \"a\" has the codec \"jsn\", and there are json, text, bytes; did you mean \"json\"?"},
		{STREAM("keep = 7"), "conf/yacht.lua:3: option \"keep\" of stream \"a\" takes a duration such as \"5s\", \"200ms\", \"1.5h\" or \"7d\"; found the number 7"},
		{STREAM("keep = \"0s\""), "conf/yacht.lua:3: option \"keep\" of stream \"a\" is longer than 0s; leave it out to keep all for ever"},
		{STREAM("keep_bytes = \"1 GB\""),
		 "conf/yacht.lua:3: option \"keep_bytes\" of stream \"a\" takes a size such as \"64MiB\", \"10kB\" or a number of bytes; found \"1 GB\""},
		{STREAM("depth = 5000"), "conf/yacht.lua:3: option \"depth\" of stream \"a\" takes 1 to 1024; found 5000"},
		{STREAM("record = \"2GiB\""), "conf/yacht.lua:3: option \"record\" of stream \"a\" takes 1 to 1073741824; found 2147483648"},
		{STREAM("validate = \"al\""), "conf/yacht.lua:3: option \"validate\" of stream \"a\" takes \"used\" or \"full\"; found \"al\""},
		{STREAM("\"id\""), "conf/yacht.lua:2: the options of stream \"a\" take names: write stream \"a\" { name = value }"},
		{STREAM("key = function() end"),
		 "conf/yacht.lua:3: a value of type function can't be the value of an option: it takes texts, numbers, true and false, tables and streams"},
		{STREAM("key = plugin \"speed\""),
		 "conf/yacht.lua:3: a plugin can't be the value of an option: it takes texts, numbers, true and false, tables and streams"},
	};
	ASSERT_BAD(bad);
}

static void flows(void **state)
{
	(void)state;
	static const struct bad bad[] = {
		{HEAD "pipeline \"p\" {\n  from = a }", "conf/yacht.lua:3: pipeline \"p\" needs the option \"to\" (the stream that it writes to): a stream, as stream "
		                                        "\"name\" { } gives it"},
		{HEAD "pipeline \"p\" {\n  to = a }", "conf/yacht.lua:3: pipeline \"p\" needs the option \"from\" (the stream that it reads): a stream, as stream "
		                                      "\"name\" { } gives it"},
		{HEAD "pipeline \"p\" {\n  from = \"a\", to = b }",
		 "conf/yacht.lua:4: option \"from\" of pipeline \"p\" takes a stream, as stream \"name\" { } gives it; found \"a\""},
		{HEAD "pipeline \"p\" {\n  form = a, to = b }", "conf/yacht.lua:4: unknown option \"form\" of pipeline \"p\" (it has from, to, start); did you mean "
		                                                "\"from\"?"},
		{HEAD "pipeline \"p\" { from = a, to = a }",
		 "conf/yacht.lua:3: pipeline \"p\" would read what it writes to stream \"a\", without an end: write to another stream"},
		{HEAD "pipeline \"p\" { from = a,\n  plugin \"lateness\" { to = a }, to = b }",
		 "conf/yacht.lua:4: plugin \"lateness\" of pipeline \"p\" would write to stream \"a\", which the pipeline reads, without an end: write to another stream"},
		{HEAD "pipeline \"p\" { from = a, b }", "conf/yacht.lua:3: stream \"b\" stands among the stages of pipeline \"p\": write from = … or to = … before it"},
		{HEAD "pipeline \"p\" { from = a, \"speed\", to = b }",
		 "conf/yacht.lua:3: stage 1 of pipeline \"p\" is a string: a stage is plugin \"name\" { … } or script \"path\" { … }"},
		{HEAD "pipeline \"p\" { from = a, plugin, to = b }",
		 "conf/yacht.lua:3: stage 1 of pipeline \"p\" is a function: a stage is plugin \"name\" { … } or script \"path\" { … }"},
		{HEAD "pipeline \"p\" { from = a, start = \"new\", to = b }",
		 "conf/yacht.lua:3: option \"start\" of pipeline \"p\" takes \"oldest\" or \"newest\"; found \"new\"; did you mean \"newest\"?"},
		{HEAD "sink \"s\" { from = a }",
		 "conf/yacht.lua:3: sink \"s\" has 0 stages and takes one plugin that is a sink: sink \"s\" { from = …, plugin \"name\" { … } }"},
		{HEAD "sink \"s\" { from = a,\n script \"transforms/enrich.lua\" }",
		 "conf/yacht.lua:4: script \"transforms/enrich.lua\" can't be a sink: sink \"s\" takes a plugin that is one; put the script into a pipeline before it"},
		{HEAD "source \"s\" { to = a }",
		 "conf/yacht.lua:3: source \"s\" has 0 stages and takes one: source \"s\" { script \"generators/…\" { … }, to = … }"},
		{HEAD "web \"w\" { from = a, plugin \"stdout\", page = \"x\" }",
		 "conf/yacht.lua:3: web \"w\" shows a stream as it is and takes no stages: put them into a pipeline"},
		{HEAD "web \"w\" { from = a }", "conf/yacht.lua:3: web \"w\" needs the option \"page\" (the page that shows it): a string"},
	};
	ASSERT_BAD(bad);
}

#define PIPELINE(stages) HEAD "pipeline \"p\" {\n  from = a,\n  " stages ",\n  to = b,\n}"

static void stages(void **state)
{
	(void)state;
	static const struct bad bad[] = {
		{PIPELINE("plugin \"speed\" { x = \"x\", y = \"y\",\n    spam = \"5s\" }"),
		 "conf/yacht.lua:6: unknown option \"spam\" of plugin \"speed\" (it has x, y, span, least, metric, keep, most); did you mean \"span\"?"},
		{PIPELINE("plugin \"speed\" { x = \"x\" }"),
		 "conf/yacht.lua:5: plugin \"speed\" needs the option \"y\" (the field with the latitude, in degrees): the name of a field"},
		{PIPELINE("plugin \"speed\" { \"x\" }"), "conf/yacht.lua:5: the options of plugin \"speed\" take names: write plugin \"speed\" { name = value }"},
		{PIPELINE("plugin \"stdout\" { }"), "conf/yacht.lua:5: plugin \"stdout\" is a sink, and pipeline \"p\" takes scripts and plugins that transform events: "
		                                     "write sink \"…\" { from = …, plugin \"stdout\" { … } }"},
		{PIPELINE("plugin \"lines\" { file = \"-\" }"), "conf/yacht.lua:5: plugin \"lines\" is a source, and pipeline \"p\" takes scripts and plugins that "
		                                               "transform events: write source \"…\" { plugin \"lines\" { … }, to = … }"},
		{HEAD "sink \"s\" { from = a, plugin \"lateness\" }", "conf/yacht.lua:3: plugin \"lateness\" transforms events, and sink \"s\" takes a plugin that is a "
		                                                      "sink: write pipeline \"…\" { from = …, plugin \"lateness\" { … }, to = … }"},
		{PIPELINE("plugin \"sped\" { }"), "conf/yacht.lua:5: there is no plugin \"sped\" in " BUILD "/plugins; did you mean \"speed\"?"},
		{PIPELINE("script \"transforms/enrch.lua\""),
		 "conf/yacht.lua:5: there is no script \"transforms/enrch.lua\" in scripts; did you mean \"transforms/enrich.lua\"?"},
		{PIPELINE("script \"sailboat.lua\""),
		 "conf/yacht.lua:5: there is no script \"sailboat.lua\" in scripts; did you mean \"generators/sailboat.lua\"?"},
		{PIPELINE("script \"transforms\""), "conf/yacht.lua:5: there is no script \"transforms\" in scripts; did you mean \"transforms/broken.lua\"?"},
		{PIPELINE("script \"transforms/broken.lua\""),
		 "conf/yacht.lua:5: the script does not compile: transforms/broken.lua:2: 'end' expected (to close 'function' at line 1) near 'x'"},
		{PIPELINE("script \"transforms/enrich.lua\" { rate = 3 }"), "conf/yacht.lua:5: option \"rate\" of script \"transforms/enrich.lua\" is for scripts of a "
		                                                           "source; a pipeline takes events as they come"},
		{PIPELINE("script \"transforms/enrich.lua\" { memory = \"1kB\" }"),
		 "conf/yacht.lua:5: option \"memory\" of script \"transforms/enrich.lua\" is at least \"1MiB\""},
		{PIPELINE("script \"transforms/enrich.lua\" { fuel = 0 }"), "conf/yacht.lua:5: option \"fuel\" of script \"transforms/enrich.lua\" is at least 1"},
		{PIPELINE("script \"transforms/enrich.lua\" { name = \"_x\" }"),
		 "conf/yacht.lua:5: a stage can't be called \"_x\": its name has 1 to 100 letters, digits, . _ - and no _ in front"},
		{PIPELINE("plugin \"lateness\", plugin \"lateness\" { name = \"lateness\" }"),
		 "conf/yacht.lua:5: two stages of pipeline \"p\" are called \"lateness\": give this one another name"},
		{HEAD "source \"s\" { to = a,\n  script \"generators/sailboat.lua\" { rate = 0 } }",
		 "conf/yacht.lua:4: option \"rate\" of script \"generators/sailboat.lua\" takes calls a second, more than 0; found 0"},
	};
	ASSERT_BAD(bad);
}

static void general_options(void **state)
{
	(void)state;
	static const struct bad bad[] = {
		{"app \"x\"\noption { durabilty = \"power\" }",
		 "conf/yacht.lua:2: unknown option \"durabilty\" of the word \"option\" (it has durability, state_memory); did you mean \"durability\"?"},
		{"app \"x\"\noption { durability = \"strong\" }",
		 "conf/yacht.lua:2: option \"durability\" of the word \"option\" takes \"default\" or \"power\"; found \"strong\""},
		{"app \"x\"\noption { state_memory = \"1kB\" }", "conf/yacht.lua:2: option \"state_memory\" is at least \"1MiB\""},
		{"app \"x\"\noption { }\noption { }", "conf/yacht.lua:3: option { } stands in line 2 already: write it once"},
		{"app \"x\"\nkafka { \"a\" }", "conf/yacht.lua:2: kafka takes names: write kafka { name = value }"},
		{"app \"x\"\nkafka { a = { 1, b = 2 } }",
		 "conf/yacht.lua:2: a table has both names and entries without one (a): write a name before each, or none"},
		{"app \"x\"\nlocal t = { } t.t = t\nkafka { a = t }", "conf/yacht.lua:3: the conf has tables within tables, more than 16 deep"},
		{"app \"x\"\nlocal t = { }\nfor i = 1, 10 do t = { t, t, t, t, t, t, t, t } end\nkafka { a = t }", "conf/yacht.lua:4: the conf has more than 20000 values"},
		{"app \"x\"\nkafka { a = \"\\255\" }", "conf/yacht.lua:2: the conf has a text that is not UTF-8, or has a zero byte"},
		{"app \"x\"\nkafka { a = { [true] = 1 } }", "conf/yacht.lua:2: a table has a boolean as a key; keys are names"},
		{"app \"x\"\nkafka { a = { 1, nil, 3 } }", "conf/yacht.lua:2: a list has a hole: its entry 2 is nil"},
	};
	ASSERT_BAD(bad);
}

static void files(void **state)
{
	(void)state;
	char err[FL_ERRLEN];
	struct fl_buf warn = {0};
	assert_null(fl_plan_read("/nowhere/x.lua", &warn, err));
	assert_string_equal(err, "/nowhere/x.lua can't be read: No such file or directory");
	assert_null(fl_plan_read("/tmp", &warn, err));
	assert_string_equal(err, "/tmp is not a file; give the path of a conf, such as conf/yacht.lua");
	fl_buf_free(&warn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_language), cmocka_unit_test(names), cmocka_unit_test(streams), cmocka_unit_test(flows),
		cmocka_unit_test(stages), cmocka_unit_test(general_options), cmocka_unit_test(files),
	};
	return cmocka_run_group_tests_name("bad", tests, make_dir, remove_dir);
}
