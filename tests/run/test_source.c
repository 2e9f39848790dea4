/* run/source.c: the pace of scripts, and a plugin that fails and comes back. */
#include "app_helper.h"
#include "run/source.h"

static int setup(void **state)
{
	if (world_setup(state))
		return -1;
	struct world *w = *state;
	char path[160];
	fl_plugin_dirs((const char *const[]){BUILD "/tests/plugin/fixtures", BUILD "/plugins"}, 2);
	mkdir(w->data, 0777);
	snprintf(path, sizeof path, "%s/t", w->data);
	mkdir(path, 0777);
	return 0;
}

static uint32_t lines(struct world *w, const char *stream)
{
	char *all = values(w, stream, 0, NULL);
	uint32_t n = 0;
	for (const char *p = all; (p = strchr(p, '\n')); p++)
		n++;
	free(all);
	return n;
}

/* How many calls a span of a second and a half has room for, give or take a slow machine: what was missed is caught up on. */
static void expect_pace(struct world *w, const char *conf, double rate)
{
	double before = fl_monotonic();
	start(w, conf, 1);
	double begun = fl_monotonic();
	usleep(1500000);
	fl_app_ask_stop(w->app);
	double least = fl_monotonic() - begun;
	fl_source_join(w->app->source[0]);
	double most = fl_monotonic() - before;
	uint32_t n = lines(w, "raw");
	assert_true(n <= most * rate + 2);
	assert_true(n >= (least - 1) * rate); /* a sleep of over a second is not caught up on */
}

static void a_rate_is_kept(void **state)
{
	struct world *w = *state;
	put(w, "scripts/generators/g.lua", "function generate(t) emit { t = t } end\n");
	expect_pace(w, "app \"t\"\nlocal raw = stream \"raw\" {}\nsource \"in\" { script \"generators/g.lua\" { rate = 400 }, to = raw }\n", 400);
}

static void a_wait_that_is_returned_is_kept(void **state)
{
	struct world *w = *state;
	put(w, "scripts/generators/g.lua", "function generate(t) emit { t = t } return 0.005 end\n");
	expect_pace(w, "app \"t\"\nlocal raw = stream \"raw\" {}\nsource \"in\" { script \"generators/g.lua\", to = raw }\n", 200);
}

static void expect_count(struct world *w, int n)
{
	struct fl_buf all = {0};
	for (int k = 1; k <= n; k++)
		fl_buf_printf(&all, "{\"n\":%d}\n", k);
	fl_buf_byte(&all, 0);
	expect_values(w, "raw", 0, all.p);
	fl_buf_free(&all);
}

static const char SPRING[] = "app \"t\"\nlocal raw = stream \"raw\" {}\nsource \"in\" { plugin \"spring\" { n = 30 }, to = raw }\n";

static void a_plugin_that_fails_comes_back(void **state)
{
	struct world *w = *state;
	char dry[160];
	put(w, "var/t/dry", "");
	snprintf(dry, sizeof dry, "%s/t/dry", w->data);
	start(w, SPRING, 1);
	usleep(700000);
	assert_false(fl_app_idle(w->app));
	unlink(dry);
	until_idle(w);
	expect_count(w, 30);
}

static void a_plugin_that_fails_is_stopped(void **state)
{
	struct world *w = *state;
	char dry[160];
	put(w, "var/t/dry", "");
	snprintf(dry, sizeof dry, "%s/t/dry", w->data);
	start(w, SPRING, 1);
	usleep(300000);
	stop(w);
	unlink(dry);
	start(w, SPRING, 1);
	until_idle(w);
	expect_count(w, 30);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_rate_is_kept),
		TEST(a_wait_that_is_returned_is_kept),
		TEST(a_plugin_that_fails_comes_back),
		TEST(a_plugin_that_fails_is_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
