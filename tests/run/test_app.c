/* An app from source to committed output: run/app.c, worker.c, source.c, lane.c, seat.c, line.c, dead.c, sink.c. */
#include "app_helper.h"

#define LINES(file) "source \"in\" { plugin \"lines\" { file = \"" file "\" }, to = raw }\n"

static void writes_input(struct world *w, const char *text)
{
	char path[160];
	snprintf(path, sizeof path, "%s/t", w->data);
	mkdir(w->data, 0777);
	mkdir(path, 0777);
	put(w, "var/t/in.jsonl", text);
}

static void goes_from_source_to_output(void **state)
{
	struct world *w = *state;
	writes_input(w, "{\"a\":1}\n{\"a\":2}\n{\"a\":3,\"deep\":{\"x\":[]}}\n");
	put(w, "scripts/transforms/add.lua", "function transform(e) e.b = e.a * 10 end\n");
	start(w, "app \"t\"\nlocal raw = stream \"raw\" {}\nlocal out = stream \"out\" {}\n" LINES("in.jsonl")
		 "pipeline \"p\" { from = raw, script \"transforms/add.lua\", to = out }\n", 1);
	until_idle(w);
	expect_values(w, "raw", 0, "{\"a\":1}\n{\"a\":2}\n{\"a\":3,\"deep\":{\"x\":[]}}\n");
	expect_values(w, "out", 0, "{\"a\":1,\"b\":10}\n{\"a\":2,\"b\":20}\n{\"a\":3,\"deep\":{\"x\":[]},\"b\":30}\n");
}

static const char COUNT[] =
	"local seen = state \"seen\"\n"
	"function transform(e, m) local n = (seen:get(m.key) or 0) + 1; seen:put(m.key, n); e.n = n end\n";

/* State, positions and the source's place survive a restart: the second run goes on where the first one ended. */
static void goes_on_after_a_restart(void **state)
{
	struct world *w = *state;
	const char *conf = "app \"t\"\nlocal raw = stream \"raw\" { key = \"id\" }\nlocal out = stream \"out\" {}\n" LINES("in.jsonl")
			   "pipeline \"p\" { from = raw, script \"transforms/count.lua\", to = out }\n";
	put(w, "scripts/transforms/count.lua", COUNT);
	writes_input(w, "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"a\"}\n");
	start(w, conf, 1);
	until_idle(w);
	stop(w);
	writes_input(w, "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"a\"}\n{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
	start(w, conf, 2);
	until_idle(w);
	expect_values(w, "out", 0, "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":1}\n{\"id\":\"a\",\"n\":2}\n{\"id\":\"a\",\"n\":3}\n{\"id\":\"b\",\"n\":2}\n");
}

static void sends_what_fails_to_the_dead_letters(void **state)
{
	struct world *w = *state;
	struct fl_buf h = {0};
	writes_input(w, "{\"a\":1}\nnot json\n{\"a\":2}\n{\"a\":3}\n");
	put(w, "scripts/transforms/bad.lua", "function transform(e)\n  if e.a == 2 then error(\"two\") end\n  if e.a == 3 then return drop \"three\" end\nend\n");
	start(w, "app \"t\"\nlocal raw = stream \"raw\" {}\nlocal out = stream \"out\" {}\n" LINES("in.jsonl")
		 "pipeline \"p\" { from = raw, script \"transforms/bad.lua\", to = out }\n", 1);
	until_idle(w);
	expect_values(w, "out", 0, "{\"a\":1}\n");
	char *dead = values(w, "t-dlq", 0, &h);
	assert_string_equal(dead, "not json\n{\"a\":2}\n");
	free(dead);
	expect_header(&h, "fl.stage", "transforms/bad.lua");
	expect_header(&h, "fl.at", "transforms/bad.lua:2");
	expect_header(&h, "fl.error", "transforms/bad.lua:2: two");
	expect_header(&h, "fl.stream", "raw");
	expect_header(&h, "fl.offset", "2");
	fl_buf_free(&h);
	assert_int_equal(fl_metric_sum("fairlead_events_dropped_total", "reason=\"three\""), 1);
}

/* Emitted events pass the stages that follow, in their place; routed and sent ones go to their streams. */
static void emits_and_routes(void **state)
{
	struct world *w = *state;
	writes_input(w, "{\"a\":1}\n{\"a\":2}\n");
	put(w, "scripts/transforms/emit.lua",
	    "function transform(e, m)\n  emit { a = e.a * 100 }\n  emit_to(\"side\", { was = e.a })\nend\n"
	    "function route(e, m) if e.a == 2 then return \"odd\" end end\n");
	put(w, "scripts/transforms/mark.lua", "function transform(e) e.seen = true end\n");
	start(w, "app \"t\"\nlocal raw = stream \"raw\" {}\nlocal out = stream \"out\" {}\nlocal side = stream \"side\" {}\nlocal odd = stream \"odd\" {}\n"
		 LINES("in.jsonl")
		 "pipeline \"p\" { from = raw, script \"transforms/mark.lua\", script \"transforms/emit.lua\", script \"transforms/mark.lua\", to = out }\n", 1);
	until_idle(w);
	expect_values(w, "side", 0, "{\"was\":1}\n{\"was\":2}\n");
	char *out = values(w, "out", 0, NULL), *odd = values(w, "odd", 0, NULL);
	assert_non_null(strstr(out, "{\"a\":100,\"seen\":true}\n"));
	assert_non_null(strstr(out, "{\"a\":200,\"seen\":true}\n"));
	assert_non_null(strstr(out, "{\"a\":1,\"seen\":true}\n"));
	assert_string_equal(odd, "{\"a\":2,\"seen\":true}\n");
	free(out);
	free(odd);
}

/* A script that runs out of memory takes its Lua state down: only that record is lost to the dead letters, and what the
 * others counted is as if nothing had been. */
static void survives_a_script_that_eats_memory(void **state)
{
	struct world *w = *state;
	writes_input(w, "{\"id\":\"a\"}\n{\"id\":\"a\"}\n{\"id\":\"eat\"}\n{\"id\":\"a\"}\n");
	put(w, "scripts/transforms/eat.lua",
	    "local seen = state \"seen\"\n"
	    "function transform(e, m)\n"
	    "  local n = (seen:get(\"all\") or 0) + 1; seen:put(\"all\", n); e.n = n\n"
	    "  if e.id == \"eat\" then local t = {}; for i = 1, 1e9 do t[i] = { i, tostring(i) } end end\n"
	    "end\n");
	start(w, "app \"t\"\nlocal raw = stream \"raw\" {}\nlocal out = stream \"out\" {}\n" LINES("in.jsonl")
		 "pipeline \"p\" { from = raw, script \"transforms/eat.lua\" { memory = \"4MiB\" }, to = out }\n", 1);
	until_idle(w);
	expect_values(w, "out", 0, "{\"id\":\"a\",\"n\":1}\n{\"id\":\"a\",\"n\":2}\n{\"id\":\"a\",\"n\":3}\n");
	expect_values(w, "t-dlq", 0, "{\"id\":\"eat\"}\n");
}

static void keys_spread_over_partitions_and_workers(void **state)
{
	struct world *w = *state;
	struct fl_buf in = {0};
	for (int i = 0; i < 20000; i++)
		fl_buf_printf(&in, "{\"id\":\"k%d\",\"i\":%d}\n", i % 50, i);
	fl_buf_byte(&in, 0);
	writes_input(w, in.p);
	put(w, "scripts/transforms/count.lua", COUNT);
	start(w, "app \"t\"\nlocal raw = stream \"raw\" { partitions = 4, key = \"id\" }\nlocal out = stream \"out\" { partitions = 4, key = \"id\" }\n" LINES("in.jsonl")
		 "pipeline \"p\" { from = raw, script \"transforms/count.lua\", to = out }\n", 2);
	until_idle(w);
	uint32_t records = 0, last = 0;
	for (uint32_t p = 0; p < 4; p++) {
		char *all = values(w, "out", p, NULL);
		for (char *at = all; (at = strstr(at, "\n")); at++)
			records++;
		for (char *at = all; (at = strstr(at, "\"n\":400}")); at++)
			last++;
		free(all);
	}
	assert_int_equal(records, 20000);
	assert_int_equal(last, 50); /* each key was counted to 400: no partition was mixed with another */
	fl_buf_free(&in);
}

static void refuses_a_second_daemon(void **state)
{
	struct world *w = *state;
	char err[FL_ERRLEN] = "";
	writes_input(w, "");
	start(w, "app \"t\"\nlocal raw = stream \"raw\" {}\nlocal out = stream \"out\" {}\n" LINES("in.jsonl")
		 "pipeline \"p\" { from = raw, to = out }\n", 1);
	assert_null(fl_app_open(w->plan, &(struct fl_app_conf){.data = w->data}, err));
	char pid[32];
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	assert_non_null(strstr(err, pid));
}

/* Two stages that keep one store would overwrite each other's changes, each having its values in memory until a commit. */
static void a_store_has_one_owner(void **state)
{
	struct world *w = *state;
	char path[128], err[FL_ERRLEN] = "";
	struct fl_buf warn = {0};
	put(w, "scripts/transforms/one.lua", "local s = state \"seen\"\nfunction transform(e) s:put(\"n\", 1) end\n");
	put(w, "scripts/transforms/two.lua", "local s = state \"seen\"\nfunction transform(e) s:put(\"n\", 2) end\n");
	put(w, "conf/t.lua", "app \"t\"\nlocal raw = stream \"raw\" {}\nlocal out = stream \"out\" {}\n"
	    "pipeline \"p\" { from = raw, script \"transforms/one.lua\", script \"transforms/two.lua\", to = out }\n");
	snprintf(path, sizeof path, "%s/conf/t.lua", w->dir);
	w->plan = fl_plan_read(path, &warn, err);
	fl_buf_free(&warn);
	assert_non_null(w->plan);
	assert_null(fl_app_open(w->plan, &(struct fl_app_conf){.data = w->data, .workers = 1}, err));
	assert_non_null(strstr(err, "transforms/one.lua and transforms/two.lua both keep the state \"seen\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(goes_from_source_to_output, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(goes_on_after_a_restart, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(sends_what_fails_to_the_dead_letters, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(emits_and_routes, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(survives_a_script_that_eats_memory, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(keys_spread_over_partitions_and_workers, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(a_store_has_one_owner, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(refuses_a_second_daemon, world_setup, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
