/* One pipeline on file descriptors: run/pipe.c, and what output.c prints. */
#include "app_helper.h"
#include "run/pipe.h"

struct piped {
	struct fl_pipe_counts n;
	char *out;
	int rc;
};

/* Runs pipeline p of the conf over the input. */
static struct piped pipe_through(struct world *w, const char *conf, const char *in, int streams, int record_now)
{
	char path[128], err[FL_ERRLEN] = "";
	struct fl_buf warn = {0};
	struct piped p = {0};
	put(w, "conf/t.lua", conf);
	snprintf(path, sizeof path, "%s/conf/t.lua", w->dir);
	w->plan = fl_plan_read(path, &warn, err);
	if (!w->plan)
		fail_msg("%s", err);
	fl_buf_free(&warn);
	FILE *from = tmpfile(), *to = tmpfile();
	fputs(in, from);
	rewind(from);
	struct fl_pipe_conf pc = {.plan = w->plan, .flow = fl_plan_flow_find(w->plan, "p"), .streams = streams, .record_now = record_now,
		.in = fileno(from), .out = fileno(to)};
	uint64_t dead = fl_metric_sum("fairlead_dead_letters_total", NULL);
	p.rc = fl_pipe_run(&pc, &p.n, err);
	p.n.dead -= dead;
	long size = lseek(fileno(to), 0, SEEK_END);
	p.out = calloc(1, (size_t)size + 1);
	assert_int_equal(pread(fileno(to), p.out, (size_t)size, 0), size);
	fclose(from);
	fclose(to);
	fl_plan_free(w->plan);
	w->plan = NULL;
	return p;
}

static void prints_what_reaches_to(void **state)
{
	struct world *w = *state;
	put(w, "scripts/transforms/x.lua", "function transform(e) e.b = e.a + 1 end\n");
	struct piped p = pipe_through(w, "app \"t\"\nlocal a = stream \"a\" {}\nlocal b = stream \"b\" {}\npipeline \"p\" { from = a, script \"transforms/x.lua\", to = b }\n",
				      "{\"a\":1}\n\n{\"a\":2}\nbad\n{\"a\":3}", 0, 0);
	assert_int_equal(p.rc, 0);
	assert_string_equal(p.out, "{\"a\":1,\"b\":2}\n{\"a\":2,\"b\":3}\n{\"a\":3,\"b\":4}\n");
	assert_int_equal(p.n.dead, 1);
	free(p.out);
}

static void prints_all_streams(void **state)
{
	struct world *w = *state;
	put(w, "scripts/transforms/x.lua", "function transform(e, m) if e.a == 2 then return late() end if e.a == 3 then reject \"three\" end end\n");
	struct piped p = pipe_through(w, "app \"t\"\nlocal a = stream \"a\" { key = \"a\" }\nlocal b = stream \"b\" { key = \"a\" }\npipeline \"p\" { from = a, script \"transforms/x.lua\", to = b }\n",
				      "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n", 1, 0);
	assert_string_equal(p.out, "b\t1\t{\"a\":1}\nt-late\t2\t{\"a\":2}\nt-dlq\t3\t{\"a\":3}\n");
	free(p.out);
}

/* With the records' own clock, m.now and ticks come from the records, so the output does not depend on when it runs. */
static void takes_the_clock_from_the_records(void **state)
{
	struct world *w = *state;
	put(w, "scripts/transforms/x.lua",
	    "function transform(e, m) e.now = m.now end\n"
	    "function tick(now) emit { tick = now } end\n");
	const char *conf = "app \"t\"\nlocal a = stream \"a\" { time = \"t\" }\nlocal b = stream \"b\" {}\npipeline \"p\" { from = a, script \"transforms/x.lua\", to = b }\n";
	struct piped p = pipe_through(w, conf, "{\"t\":100.5}\n{\"t\":100.7}\n{\"t\":102.25}\n", 0, 1);
	assert_int_equal(p.rc, 0);
	assert_string_equal(p.out, "{\"t\":100.5,\"now\":100.5}\n{\"t\":100.7,\"now\":100.7}\n{\"tick\":101}\n{\"tick\":102}\n{\"t\":102.25,\"now\":102.25}\n");
	free(p.out);
}

static void cuts_a_line_without_end(void **state)
{
	struct world *w = *state;
	struct fl_buf in = {0};
	fl_buf_printf(&in, "{\"a\":\"");
	for (int i = 0; i < 3 << 20; i++)
		fl_buf_byte(&in, 'x');
	fl_buf_printf(&in, "\"}\n{\"a\":2}\n");
	struct piped p = pipe_through(w, "app \"t\"\nlocal a = stream \"a\" {}\nlocal b = stream \"b\" {}\npipeline \"p\" { from = a, to = b }\n", in.p, 0, 0);
	assert_string_equal(p.out, "{\"a\":2}\n");
	assert_int_equal(p.n.dead, 1);
	free(p.out);
	fl_buf_free(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(prints_what_reaches_to, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(prints_all_streams, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(takes_the_clock_from_the_records, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(cuts_a_line_without_end, world_setup, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
