/* A good conf: what the plan holds, its three graphs, warnings, and that no secret is in any of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "event/json.h"
#include "plan_helper.h"

static const char YACHT[] =
	"-- where is each boat, and how fast does it go?\n"
	"app \"yacht\"\n"
	"\n"
	"local raw      = stream \"raw_sensor_data\" { partitions = 6, key = \"id\", time = \"timestamp\", record = \"64kB\", depth = 8 }\n"
	"local enriched = stream \"enriched_data\" { partitions = 6, key = \"id\", time = { \"timestamp\", unit = \"ms\" }, keep = \"7d\", keep_bytes = \"1GiB\" }\n"
	"local late     = stream \"late_sensor_data\"\n"
	"local alerts   = stream \"alerts\" { codec = \"text\", validate = \"full\", time = { \"row\", format = \"%Y-%m-%d\" } }\n"
	"\n"
	"source \"sailboats\" { script \"generators/sailboat.lua\" { boats = 6, late = 0.05, rate = 11, names = { \"a\", \"b\" } }, to = raw }\n"
	"\n"
	"pipeline \"enrich\" {\n"
	"  from = raw,\n"
	"  plugin \"lateness\" { allow = \"0s\", to = late },\n"
	"  env \"FL_TEST_UNSET\" and plugin \"hello\" { },\n"
	"  plugin \"speed\" {\n"
	"    x = \"x\",\n"
	"    y = \"y\" },\n"
	"  plugin \"speed\" { x = \"x\", y = \"y\" },\n"
	"  script \"transforms/enrich.lua\" { name = \"last\", memory = \"8MiB\", fuel = 5000 },\n"
	"  script \"transforms/routes.lua\",\n"
	"  to = enriched,\n"
	"}\n"
	"\n"
	"local db = env \"FL_TEST_DB\"\n"
	"sink \"readings\" { from = enriched, start = \"newest\", plugin \"sqlite\" { file = db or \"yacht.db\", table = \"r\",\n"
	"  columns = { yacht_id = \"id\", at = time \"timestamp\" } } }\n"
	"web \"map\" { from = enriched, page = \"yacht\" }\n"
	"option { durability = \"power\", state_memory = \"32MiB\" }\n"
	"kafka { [\"sasl.password\"] = db, retries = 3 }\n";

static struct fl_plan *read_good(const char *text, char *warnings, size_t room)
{
	char err[FL_ERRLEN];
	struct fl_plan *plan = read_conf(text, warnings, room, err);
	if (!plan)
		fail_msg("%s", err);
	return plan;
}

/* A graph as one text, without the test's directory. */
static char *graph(const struct fl_plan *plan, void (*draw)(const struct fl_plan *, struct fl_buf *))
{
	struct fl_buf out = {0};
	draw(plan, &out);
	fl_buf_byte(&out, 0);
	for (char *at; (at = strstr(out.p, dir)); )
		memmove(at, at + strlen(dir) + 1, strlen(at + strlen(dir) + 1) + 1);
	return out.p;
}

static void draw_text(const struct fl_plan *plan, struct fl_buf *out) { fl_plan_text(plan, out, 0); }

static void the_plan(void **state)
{
	(void)state;
	char warnings[1000];
	struct fl_plan *plan = read_good(YACHT, warnings, sizeof warnings);
	assert_string_equal(warnings, "conf/yacht.lua:6: nobody reads stream \"late_sensor_data\"; fairlead tail can\n"
	                              "conf/yacht.lua:7: nobody reads stream \"alerts\"; fairlead tail can\n");
	assert_string_equal(plan->app, "yacht");
	assert_int_equal(plan->streams, 6);
	assert_string_equal(plan->stream[plan->late].name, "yacht-late");
	assert_string_equal(plan->stream[plan->dlq].name, "yacht-dlq");
	const struct fl_plan_stream *s = &plan->stream[1];
	assert_true(s->partitions == 6 && s->time.unit == 1e-3 && s->keep_age == 604800 && s->keep_bytes == 1 << 30);
	assert_int_equal(plan->stream[0].limits.record, 64000);
	assert_int_equal(plan->stream[0].limits.depth, 8);
	assert_true(plan->stream[3].codec == &fl_codec_text && plan->stream[3].limits.full);
	assert_string_equal(plan->stream[3].time.format, "%Y-%m-%d");
	assert_int_equal(fl_plan_stream_find(plan, fl_str("alerts")), 3);
	assert_int_equal(fl_plan_stream_find(plan, fl_str("alert")), FL_NO_STREAM);
	const struct fl_plan_flow *f = fl_plan_flow_find(plan, "enrich");
	assert_int_equal(f->stages, 5);
	static const char *const ids[] = {"lateness", "speed", "speed-2", "last", "routes"};
	for (int k = 0; k < 5; k++)
		assert_string_equal(f->stage[k].id, ids[k]);
	assert_int_equal(f->stage[1].line, 15);
	assert_int_equal(fl_value_get(&f->stage[1].opts, "y")->line, 17);
	assert_int_equal(f->stage[3].memory, 8 << 20);
	assert_int_equal(f->stage[3].fuel, 5000);
	assert_int_equal(f->stage[3].opts.n, 0);
	assert_int_equal((uint32_t)fl_value_get(&f->stage[0].opts, "to")->number, 2);
	f = fl_plan_flow_find(plan, "sailboats");
	assert_true(f->stage[0].rate == 11 && f->from == FL_NO_STREAM && f->to == 0);
	assert_true(fl_plan_flow_find(plan, "readings")->newest);
	assert_null(fl_plan_flow_find(plan, "nothing"));
	assert_true(plan->power && plan->state_memory == 32 << 20);
	assert_true(fl_value_get(&plan->kafka, "retries")->number == 3);
	fl_plan_free(plan);
}

static void as_text(void **state)
{
	(void)state;
	struct fl_plan *plan = read_good(YACHT, NULL, 0);
	char *text = graph(plan, draw_text);
	for (char *p = text; (p = strstr(p, "  conf")); p++) { /* one space before places, as many as there may be */
		char *from = p;
		while (from > text && from[-1] == ' ')
			from--;
		memmove(from + 1, p + 2, strlen(p + 2) + 1);
		p = from;
	}
	assert_string_equal(text,
		"app yacht, every commit synced\n"
		"\n"
		"streams\n"
		"  raw_sensor_data   6 partitions, key id, time timestamp conf/yacht.lua:4\n"
		"  enriched_data     6 partitions, key id, time timestamp in ms, kept 7d, kept up to 1GiB conf/yacht.lua:5\n"
		"  late_sensor_data  1 partition conf/yacht.lua:6\n"
		"  alerts            1 partition, time row as %Y-%m-%d, text conf/yacht.lua:7\n"
		"  yacht-late        1 partition, for late events\n"
		"  yacht-dlq         1 partition, for dead letters\n"
		"\n"
		"source sailboats conf/yacht.lua:9\n"
		"  ├─ script generators/sailboat.lua  11 a second  boats = 6, late = 0.05, names = { \"a\", \"b\" } conf/yacht.lua:9\n"
		"  └→ raw_sensor_data\n"
		"\n"
		"pipeline enrich conf/yacht.lua:11\n"
		"  raw_sensor_data\n"
		"  ├─ plugin lateness  allow = \"0s\", to = late_sensor_data conf/yacht.lua:13\n"
		"  ├─ plugin speed  x = \"x\", y = \"y\" conf/yacht.lua:15\n"
		"  ├─ plugin speed  x = \"x\", y = \"y\" conf/yacht.lua:18\n"
		"  ├─ script transforms/enrich.lua conf/yacht.lua:19\n"
		"  ├─ script transforms/routes.lua conf/yacht.lua:20\n"
		"  └→ enriched_data\n"
		"\n"
		"sink readings, from the newest record conf/yacht.lua:25\n"
		"  enriched_data\n"
		"  └─ plugin sqlite  columns = { at = time \"timestamp\", yacht_id = \"id\" }, file = \"yacht.db\", table = \"r\" conf/yacht.lua:25\n"
		"\n"
		"web map conf/yacht.lua:27\n"
		"  enriched_data\n"
		"  └→ page yacht\n");
	free(text);
	fl_plan_free(plan);
}

static void as_mermaid(void **state)
{
	(void)state;
	struct fl_plan *plan = read_good(
		"app \"x\"\nlocal a, b = stream \"a\", stream \"b\"\npipeline \"p\" { from = a, plugin \"lateness\" { to = b }, script \"transforms/enrich.lua\" "
		"{ say = '<b>\"`' }, to = b }\npipeline \"q\" { from = b, to = a }\nweb \"w\" { from = b, page = \"y\" }\n", NULL, 0);
	char *text = graph(plan, fl_plan_mermaid);
	assert_string_equal(text,
		"flowchart LR\n"
		"  s0[(\"a\")]\n"
		"  s1[(\"b\")]\n"
		"  s2[(\"x-late\")]\n"
		"  s3[(\"x-dlq\")]\n"
		"  subgraph f0[\"pipeline p\"]\n"
		"    f0_0[\"plugin lateness<br/>to = b\"]\n"
		"    f0_1[\"script transforms/enrich.lua<br/>say = #34;#60;b#62;#92;#34;#96;#34;\"]\n"
		"    f0_0 --> f0_1\n"
		"  end\n"
		"  s0 --> f0_0\n"
		"  f0_1 --> s1\n"
		"  f0_0 -.-> s1\n"
		"  subgraph f1[\"pipeline q\"]\n"
		"    f1_0[\"as it is\"]\n"
		"  end\n"
		"  s1 --> f1_0\n"
		"  f1_0 --> s0\n"
		"  subgraph f2[\"web w\"]\n"
		"    f2_0[\"page y\"]\n"
		"  end\n"
		"  s1 --> f2_0\n");
	free(text);
	fl_plan_free(plan);
}

static void as_json(void **state)
{
	(void)state;
	struct fl_plan *plan = read_good("app \"x\"\nlocal a = stream \"a\" { key = \"id\", time = \"t\", keep = \"1h\" }\nlocal l = stream \"x-late\" { partitions = 2 }\n"
	                                 "source \"s\" { script \"generators/sailboat.lua\" { deep = { { 1, true } }, to = l }, to = a }\n"
	                                 "sink \"k\" { from = a, plugin \"stdout\" }\nkafka { q = \"\\\"\\n\" }\n", NULL, 0);
	char *text = graph(plan, fl_plan_json), err[FL_ERRLEN];
	assert_int_equal(fl_json_check(fl_str(text), 64, err), 0);
	assert_string_equal(text,
		"{\"app\":\"x\",\"file\":\"conf/yacht.lua\",\"scripts\":\"scripts\",\"durability\":\"default\",\"state_memory\":0,\"streams\":["
		"{\"name\":\"a\",\"line\":2,\"role\":null,\"partitions\":1,\"key\":\"id\",\"time\":{\"field\":\"t\",\"unit\":1,\"format\":null},\"codec\":\"json\","
		"\"record\":1048576,\"depth\":64,\"validate\":\"used\",\"keep\":3600,\"keep_bytes\":0},"
		"{\"name\":\"x-late\",\"line\":3,\"role\":\"late\",\"partitions\":2,\"key\":null,\"time\":null,\"codec\":\"json\","
		"\"record\":1048576,\"depth\":64,\"validate\":\"used\",\"keep\":0,\"keep_bytes\":0},"
		"{\"name\":\"x-dlq\",\"line\":null,\"role\":\"dead_letters\",\"partitions\":1,\"key\":null,\"time\":null,\"codec\":\"json\","
		"\"record\":1048576,\"depth\":64,\"validate\":\"used\",\"keep\":0,\"keep_bytes\":0}],\"flows\":["
		"{\"kind\":\"source\",\"name\":\"s\",\"line\":4,\"from\":null,\"to\":\"a\",\"start\":\"oldest\",\"page\":null,\"stages\":["
		"{\"kind\":\"script\",\"name\":\"generators/sailboat.lua\",\"id\":\"sailboat\",\"path\":\"scripts/generators/sailboat.lua\",\"line\":4,"
		"\"options\":{\"deep\":[[1,true]],\"to\":{\"stream\":\"x-late\"}},\"root\":\"scripts\",\"memory\":67108864,\"fuel\":10000000,\"rate\":0}]},"
		"{\"kind\":\"sink\",\"name\":\"k\",\"line\":5,\"from\":\"a\",\"to\":null,\"start\":\"oldest\",\"page\":null,\"stages\":["
		"{\"kind\":\"plugin\",\"name\":\"stdout\",\"id\":\"stdout\",\"path\":\"" BUILD "/plugins/stdout.so\",\"line\":5,\"options\":{},\"version\":\"1.0\"}]}],"
		"\"option\":{},\"kafka\":{\"q\":\"\\\"\\n\"}}\n");
	free(text);
	fl_plan_free(plan);
}

/* With what JSON and Lua escape in it, and digits only. */
static void no_secret_is_shown(void **state)
{
	(void)state;
	static const char *const secrets[] = {"pa\"ss\\word", "postgres://me:hunter22@db/x", "73911"};
	static const char *const parts[] = {"ss\\", "hunter22", "73911"};
	static const char conf_text[] =
		"app \"x\"\nlocal db = env \"FL_TEST_DB\"\nlocal a = stream \"a\"\nsink \"s\" { from = a, plugin \"sqlite\" { file = db, table = \"t\" .. db } }\n"
		"source \"g\" { script \"generators/sailboat.lua\" { n = tonumber(db), deep = { [db] = { db } } }, to = a }\nkafka { password = db }\n";
	for (int i = 0; i < 3; i++) {
		setenv("FL_TEST_DB", secrets[i], 1);
		struct fl_plan *plan = read_good(conf_text, NULL, 0);
		void (*const draw[])(const struct fl_plan *, struct fl_buf *) = {draw_text, fl_plan_mermaid, fl_plan_json};
		assert_string_equal(fl_value_get(&plan->kafka, "password")->text, secrets[i]);
		for (int k = 0; k < 3; k++) {
			char *text = graph(plan, draw[k]), err[FL_ERRLEN];
			if (strstr(text, parts[i]))
				fail_msg("secret %d is in graph %d:\n%s", i, k, text);
			assert_non_null(strstr(text, "***"));
			if (k == 2)
				assert_int_equal(fl_json_check(fl_str(text), 64, err), 0);
			free(text);
		}
		fl_plan_free(plan);
	}
	unsetenv("FL_TEST_DB");
}

static void no_error_shows_a_secret(void **state)
{
	(void)state;
	static const char *const confs[] = {
		"error(env \"FL_TEST_DB\")", "app(env \"FL_TEST_DB\")", "stream \"a\" { [env \"FL_TEST_DB\"] = 1 }", "app \"x\" stream \"a\" { codec = env \"FL_TEST_DB\" }",
		"app \"x\" stream \"a\" { keep = env \"FL_TEST_DB\" }", "app \"x\" local a = stream \"a\" sink \"s\" { from = a, plugin(env \"FL_TEST_DB\") }",
		"app \"x\" local a = stream \"a\" source \"s\" { to = a, script(env \"FL_TEST_DB\") }", "local s = stream \"a\" .. env \"FL_TEST_DB\"",
		"app \"x\" local a = stream \"a\" sink \"s\" { from = a, plugin \"sqlite\" { [env \"FL_TEST_DB\"] = 1 } }", "x[env \"FL_TEST_DB\"] = 1",
		"app \"x\" stream \"a\" { time = { \"t\", format = env \"FL_TEST_DB\" } }",
	};
	char secret[3000], err[FL_ERRLEN];
	memset(secret, 's', sizeof secret);
	for (int longer = 0; longer < 2; longer++) {
		secret[longer ? 2999 : 250] = 0;
		setenv("FL_TEST_DB", secret, 1);
		for (size_t i = 0; i < sizeof confs / sizeof *confs; i++) {
			assert_null(read_conf(confs[i], NULL, 0, err));
			if (strstr(err, "sssss"))
				fail_msg("%s: %s", confs[i], err);
		}
		memset(secret, 's', sizeof secret);
	}
	unsetenv("FL_TEST_DB");
}

static void warnings(void **state)
{
	(void)state;
	char warn[1000];
	fl_plan_free(read_good("app \"x\"\nlocal a = stream \"a\"\nlocal p = plugin \"speed\"\n", warn, sizeof warn));
	assert_string_equal(warn, "conf/yacht.lua:2: nobody reads stream \"a\"; fairlead tail can\n"
	                          "conf/yacht.lua:2: nobody writes to stream \"a\"; fairlead send can\n"
	                          "conf/yacht.lua:3: plugin \"speed\" stands in no source, pipeline or sink\n"
	                          "conf/yacht.lua:1: the conf has no source, pipeline, sink or web\n");
	fl_plan_free(read_good("app \"x\"\nlocal a, b, c = stream \"a\", stream \"b\", stream \"alerts\"\nlocal d = stream \"x-dlq\"\n"
	                       "source \"s\" { plugin \"lines\" { file = \"-\" }, to = a }\n"
	                       "pipeline \"p\" { from = a, script \"transforms/routes.lua\", to = b }\nweb \"w\" { from = b, page = \"p\" }\n"
	                       "web \"v\" { from = c, page = \"p\" }\n", warn, sizeof warn));
	assert_string_equal(warn, "");
}

static void compare(const char *was, const char *is, const char *says)
{
	struct fl_plan *a = read_good(was, NULL, 0), *b = read_good(is, NULL, 0);
	struct fl_buf out = {0};
	fl_plan_compare(a, b, &out);
	fl_buf_byte(&out, 0);
	assert_string_equal(out.p, says);
	fl_buf_free(&out);
	fl_plan_free(a);
	fl_plan_free(b);
}

#define TWO "app \"x\"\nlocal a, b = stream \"a\", stream \"b\"\n"

static void comparisons(void **state)
{
	(void)state;
	compare(YACHT, YACHT, "");
	compare(TWO, "\napp \"x\" local b, a = stream \"b\", stream \"a\"", "");
	compare(TWO "pipeline \"p\" { from = a, plugin \"speed\" { x = \"x\", y = \"y\", span = \"3s\" }, to = b }",
	        TWO "pipeline \"p\" { from = a, plugin \"speed\" { x = \"x\", y = \"y\", span = \"5s\", keep = true }, to = b }",
	        "pipeline p: stage speed: keep true, was not given\npipeline p: stage speed: span 5s, was 3s\n");
	compare(TWO "pipeline \"p\" { from = a, plugin \"lateness\" { to = b }, to = b }",
	        "app \"x\"\nlocal b, a = stream \"b\", stream \"a\"\npipeline \"p\" { from = a, plugin \"lateness\" { to = b }, to = b }", "");
	compare(TWO "pipeline \"p\" { from = a, plugin \"lateness\", script \"transforms/enrich.lua\", to = b }",
	        TWO "pipeline \"p\" { from = a, script \"transforms/enrich.lua\", plugin \"lateness\", to = b }", "pipeline p: its stages stand in another order\n");
	compare(TWO "pipeline \"p\" { from = a, plugin \"lateness\", to = b }", TWO "pipeline \"p\" { from = a, script \"transforms/enrich.lua\", to = b }",
	        "pipeline p: stage enrich: is new\npipeline p: stage lateness: is gone\n");
	compare("app \"x\" stream \"a\" { partitions = 2 }", "app \"y\" stream \"b\" { }\nkafka { retries = 3 }",
	        "plan: app y, was x\nkafka: retries 3, was not given\nstream b: is new\nstream y-late: is new\nstream y-dlq: is new\nstream a: is gone\n"
	        "stream x-late: is gone\nstream x-dlq: is gone\n");
	compare("app \"x\" stream \"a\" { partitions = 2, key = \"id\" }", "app \"x\" stream \"a\" { partitions = 3 }",
	        "stream a: partitions 3, was 2\nstream a: key not given, was id\n");
	compare(TWO "pipeline \"p\" { from = a, to = b }", TWO "pipeline \"q\" { from = b, to = a }", "pipeline q: is new\npipeline p: is gone\n");
	compare(TWO "web \"w\" { from = a, page = \"m\" }", TWO "web \"w\" { from = b, page = \"n\", start = \"newest\" }",
	        "web w: from b, was a\nweb w: start newest, was oldest\nweb w: page n, was m\n");
}

static void another_secret_is_a_change(void **state)
{
	(void)state;
	static const char text[] = "app \"x\"\nkafka { password = env \"FL_TEST_DB\" }";
	struct fl_buf out = {0};
	setenv("FL_TEST_DB", "first-secret", 1);
	struct fl_plan *a = read_good(text, NULL, 0);
	setenv("FL_TEST_DB", "other-secret", 1);
	struct fl_plan *b = read_good(text, NULL, 0);
	fl_plan_compare(a, b, &out);
	fl_buf_byte(&out, 0);
	assert_string_equal(out.p, "kafka: password is another secret\n");
	fl_buf_free(&out);
	fl_plan_free(a);
	fl_plan_free(b);
	unsetenv("FL_TEST_DB");
}

static void installed_scripts_and_libraries(void **state)
{
	(void)state;
	char path[160];
	snprintf(path, sizeof path, "%s/share", dir);
	mkdir(path, 0700);
	put("share/far.lua", "function transform() end\n");
	put("share/enrich.lua", "function transform() end\n");
	const char *const dirs[] = {path};
	fl_plan_dirs(dirs, 1);
	struct fl_plan *plan = read_good(TWO "pipeline \"p\" { from = a, script \"far.lua\", script \"transforms/enrich.lua\", to = b }", NULL, 0);
	const struct fl_plan_flow *f = fl_plan_flow_find(plan, "p");
	assert_string_equal(f->stage[0].root, path);
	assert_string_equal(f->stage[0].path + strlen(path), "/far.lua");
	assert_string_equal(f->stage[1].root + strlen(dir), "/scripts");
	assert_string_equal(plan->scripts + strlen(dir), "/scripts");
	fl_plan_free(plan);
	fl_plan_dirs(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_plan), cmocka_unit_test(as_text), cmocka_unit_test(as_mermaid), cmocka_unit_test(as_json),
		cmocka_unit_test(no_secret_is_shown), cmocka_unit_test(no_error_shows_a_secret), cmocka_unit_test(warnings),
		cmocka_unit_test(comparisons), cmocka_unit_test(another_secret_is_a_change), cmocka_unit_test(installed_scripts_and_libraries),
	};
	return cmocka_run_group_tests_name("good", tests, make_dir, remove_dir);
}
