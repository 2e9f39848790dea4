/* Live changes: run/watch.c, swap.c. */
#include "app_helper.h"
#include "run/watch.h"

static const char CONF[] =
	"app \"t\"\nlocal raw = stream \"raw\" {}\nlocal out = stream \"out\" {}\n"
	"source \"tick\" { script \"generators/tick.lua\" { rate = 500 }, to = raw }\n"
	"pipeline \"p\" { from = raw, script \"transforms/x.lua\", to = out }\n";

static const char TICK[] =
	"local place = state \"place\"\n"
	"function generate(t) local n = (place:get(\"n\") or 0) + 1; place:put(\"n\", n); emit { n = n } end\n";

static int has(struct world *w, const char *stream, const char *text)
{
	char *all = values(w, stream, 0, NULL);
	int found = strstr(all, text) != NULL;
	free(all);
	return found;
}

static void wait_for(struct world *w, const char *text)
{
	double end = fl_monotonic() + 20;
	while (!has(w, "out", text)) {
		assert_true(fl_monotonic() < end);
		usleep(5000);
	}
}

/* n runs from 1 on without a gap and without a repetition, whatever the script wrote beside it. */
static void expect_whole(struct world *w)
{
	char *all = values(w, "out", 0, NULL);
	int expected = 1;
	for (char *at = all; (at = strstr(at, "{\"n\":")); at++)
		assert_int_equal(atoi(at + 5), expected++);
	assert_true(expected > 1);
	free(all);
}

static void a_saved_script_is_live(void **state)
{
	struct world *w = *state;
	char err[FL_ERRLEN] = "";
	put(w, "scripts/generators/tick.lua", TICK);
	put(w, "scripts/transforms/x.lua", "function transform(e) e.v = 1 end\n");
	start(w, CONF, 1);
	struct fl_watch *watch = fl_watch_start(&w->app, 1, err);
	assert_non_null(watch);
	wait_for(w, "\"v\":1}");
	put(w, "scripts/transforms/x.lua", "function transform(e) e.v = 2 end\n");
	wait_for(w, "\"v\":2}");
	/* in place, as some editors save */
	char path[160];
	snprintf(path, sizeof path, "%s/scripts/transforms/x.lua", w->dir);
	FILE *f = fopen(path, "w");
	fputs("function transform(e) e.v = 3 end\n", f);
	fclose(f);
	wait_for(w, "\"v\":3}");
	fl_app_ask_stop(w->app);
	fl_watch_stop(watch);
	expect_whole(w);
}

static void a_broken_script_changes_nothing(void **state)
{
	struct world *w = *state;
	char err[FL_ERRLEN] = "";
	put(w, "scripts/generators/tick.lua", TICK);
	put(w, "scripts/transforms/x.lua", "function transform(e) e.v = 1 end\n");
	start(w, CONF, 1);
	struct fl_watch *watch = fl_watch_start(&w->app, 1, err);
	wait_for(w, "\"v\":1}");
	uint64_t was = fl_metric_sum("fairlead_reload_failures_total", "pipeline=\"p\"");
	put(w, "scripts/transforms/x.lua", "function transform(e) e.v = \nend\n");
	double end = fl_monotonic() + 20;
	while (fl_metric_sum("fairlead_reload_failures_total", "pipeline=\"p\"") == was) {
		assert_true(fl_monotonic() < end);
		usleep(2000);
	}
	put(w, "scripts/transforms/x.lua", "function transform(e) e.v = 4 end\n");
	wait_for(w, "\"v\":4}");
	fl_app_ask_stop(w->app);
	fl_watch_stop(watch);
	expect_whole(w);
	char *dead = values(w, "t-dlq", 0, NULL);
	assert_string_equal(dead, "");
	free(dead);
}

/* A library that a script requires makes the script new, and state goes on, migrated where the version says so. */
static void a_saved_library_and_a_new_version(void **state)
{
	struct world *w = *state;
	char err[FL_ERRLEN] = "";
	put(w, "scripts/generators/tick.lua", TICK);
	put(w, "scripts/lib/k.lua", "return { k = 1 }\n");
	put(w, "scripts/transforms/x.lua", "local k, s = require \"lib.k\", state \"s\"\nfunction transform(e) e.v = k.k; s:put(\"from\", k.k) end\n");
	start(w, CONF, 1);
	struct fl_watch *watch = fl_watch_start(&w->app, 1, err);
	wait_for(w, "\"v\":1}");
	put(w, "scripts/lib/k.lua", "return { k = 7 }\n");
	wait_for(w, "\"v\":7}");
	put(w, "scripts/transforms/x.lua", "version = 2\nlocal s = state \"s\"\nfunction migrate(old) s:put(\"from\", 40 + s:get(\"from\")) end\nfunction transform(e) e.v = s:get(\"from\") end\n");
	wait_for(w, "\"v\":4");
	fl_app_ask_stop(w->app);
	fl_watch_stop(watch);
	expect_whole(w);
}

/* A checkout or a deployment puts another directory in the place of the one that is watched. */
static void a_replaced_directory_is_watched(void **state)
{
	struct world *w = *state;
	char err[FL_ERRLEN] = "", from[160], to[160];
	put(w, "scripts/generators/tick.lua", TICK);
	put(w, "scripts/transforms/x.lua", "function transform(e) e.v = 1 end\n");
	start(w, CONF, 1);
	struct fl_watch *watch = fl_watch_start(&w->app, 1, err);
	assert_non_null(watch);
	wait_for(w, "\"v\":1}");
	snprintf(from, sizeof from, "%s/scripts/transforms", w->dir);
	snprintf(to, sizeof to, "%s/scripts/old", w->dir);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(mkdir(from, 0777), 0);
	put(w, "scripts/transforms/x.lua", "function transform(e) e.v = 2 end\n");
	wait_for(w, "\"v\":2}");
	put(w, "scripts/transforms/x.lua", "function transform(e) e.v = 3 end\n");
	wait_for(w, "\"v\":3}");
	fl_watch_stop(watch);
	expect_whole(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_saved_script_is_live, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(a_replaced_directory_is_watched, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(a_broken_script_changes_nothing, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(a_saved_library_and_a_new_version, world_setup, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
