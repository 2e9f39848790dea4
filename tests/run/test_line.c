/* The same events give the same records in the same order, wherever batches are cut: run/line.c, order.c, output.c,
 * dead.c. */
#include "app_helper.h"
#include "run/line.h"

static void read_conf(struct world *w, const char *conf)
{
	char path[128], err[FL_ERRLEN] = "";
	struct fl_buf warn = {0};
	put(w, "conf/t.lua", conf);
	snprintf(path, sizeof path, "%s/conf/t.lua", w->dir);
	w->plan = fl_plan_read(path, &warn, err);
	fl_buf_free(&warn);
	if (!w->plan)
		fail_msg("%s", err);
}

/* What pipeline p writes for n records in batches of at most `most` events: everything as pipe prints it, or (parts) the
 * buffers of all partitions, each with a line before it. */
static char *run_cut(struct world *w, char *const *record, uint32_t n, uint32_t most, int parts)
{
	char err[FL_ERRLEN] = "";
	const struct fl_plan_flow *is = fl_plan_flow_find(w->plan, "p");
	struct fl_printer printer = {.to = is->to, .streams = 1};
	struct fl_output out;
	struct fl_task t = {0};
	struct fl_buf all = {0};
	fl_output_open(&out, w->plan, parts ? NULL : &printer);
	struct fl_flow *flow = fl_flow_new(w->plan, is, w->dir);
	struct fl_line *line = fl_line_new(flow, err);
	if (!line)
		fail_msg("%s", err);
	struct fl_state *state = fl_state_open(&(struct fl_state_conf){.who = "t"}, err);
	if (fl_task_open(&t, line, 0, state, err) < 0)
		fail_msg("%s", err);
	for (uint32_t k = 0; k < n;) {
		struct fl_events *ev = line->ev[0];
		fl_events_begin(ev, "a", 0, 1000);
		while (k < n && ev->b.n < most && ev->b.n < ev->capacity) {
			struct fl_str value = fl_str(record[k]);
			double time = strtod(strstr(record[k], "\"t\":") + 4, NULL);
			if (fl_task_splits(&t, ev, time))
				break;
			fl_events_add(ev, k++, time, (struct fl_str){0}, value, (struct fl_str){0});
		}
		fl_events_decode(ev);
		fl_line_load(line, ev);
		assert_int_equal(fl_line_run(line, &t, &out, err), 0);
	}
	for (uint32_t s = 0; parts && s < w->plan->streams; s++)
		for (uint32_t p = 0; out.part[s] && p < w->plan->stream[s].partitions; p++) {
			fl_buf_printf(&all, "\n%s[%u] %u\n", w->plan->stream[s].name, p, out.part[s][p].n);
			fl_buf_add(&all, out.part[s][p].buf.p, out.part[s][p].buf.len);
		}
	fl_buf_add(&all, printer.buf.p, printer.buf.len);
	for (size_t i = 0; i < all.len; i++)
		if (!all.p[i])
			all.p[i] = '.'; /* frames have zeros; their other bytes are compared */
	fl_buf_byte(&all, 0);
	fl_task_close(&t);
	fl_state_close(state);
	fl_line_free(line);
	fl_flow_free(flow);
	fl_output_close(&out);
	fl_buf_free(&printer.buf);
	fl_buf_free(&printer.waste);
	return all.p;
}

#define N 1500

static char *record[N];

static void make_records(void)
{
	for (int k = 0; k < N; k++) {
		record[k] = calloc(1, 100 + FL_PAD);
		snprintf(record[k], 100, "{\"t\":%d,\"k\":\"k%d\",\"i\":%d}%s", 1000 + k / 3 - (k % 7 == 0 ? 40 : 0), k % 11, k, k % 97 == 5 ? "}" : "");
	}
}

static void free_records(void)
{
	for (int k = 0; k < N; k++)
		free(record[k]);
}

static void expect_same(struct world *w, int parts)
{
	static const uint32_t CUT[] = {1, 2, 7, 100, 511};
	char *whole = run_cut(w, record, N, UINT32_MAX, parts);
	assert_true(strlen(whole) > 10000);
	for (size_t c = 0; c < sizeof CUT / sizeof *CUT; c++) {
		char *cut = run_cut(w, record, N, CUT[c], parts);
		if (strcmp(whole, cut) != 0) {
			size_t at = 0;
			while (whole[at] == cut[at])
				at++;
			at = at > 100 ? at - 100 : 0;
			fail_msg("batches of %u give something else:\n%.300s\n---- than the largest ones:\n%.300s", CUT[c], cut + at, whole + at);
		}
		free(cut);
	}
	free(whole);
}

static void order_is_the_same_wherever_batches_are_cut(struct world *w, int parts)
{
	put(w, "scripts/transforms/one.lua",
	    "function transform(e, m)\n"
	    "  if e.i % 13 == 0 then return late() end\n"
	    "  if e.i % 17 == 0 then reject \"seventeen\" return end\n"
	    "  if e.i % 19 == 0 then emit_to(\"b\", { side = e.i }) end\n"
	    "  if e.i % 100 == 50 then e.t = 5 end\n"
	    "  if e.i % 200 == 51 then for k = 1, 700 do emit { t = e.t, k = \"many\", i = e.i, c = k } end end\n"
	    "  if e.i % 23 == 0 then emit { t = e.t, i = e.i, c = 1 } emit { t = e.t, i = e.i, c = 2 } end\n"
	    "end\n");
	put(w, "scripts/transforms/two.lua",
	    "function transform(e, m)\n"
	    "  e.at = m.time\n"
	    "  if e.c and e.c % 5 == 0 then reject \"fifth\" return end\n"
	    "  if e.c == 7 then emit { deep = true, i = e.i, t = 1 } emit_to(\"c\", { c = e.i }) end\n"
	    "  if e.i % 29 == 0 then error(\"twentynine\") end\n"
	    "  if e.i % 31 == 0 then drop \"x\" end\n"
	    "end\n"
	    "function route(e) if e.i % 37 == 0 then return \"c\" end end\n");
	read_conf(w, "app \"t\"\nlocal a = stream \"a\" { time = \"t\" }\nlocal b = stream \"b\" { partitions = 3 }\nlocal c = stream \"c\" { partitions = 2, key = \"k\" }\n"
		     "pipeline \"p\" { from = a, script \"transforms/one.lua\", script \"transforms/two.lua\", to = b }\n");
	make_records();
	expect_same(w, parts);
	free_records();
}

static void what_is_printed_is_the_same(void **state) { order_is_the_same_wherever_batches_are_cut(*state, 0); }
static void what_is_written_is_the_same(void **state) { order_is_the_same_wherever_batches_are_cut(*state, 1); }

static void expiry_is_the_same_wherever_batches_are_cut(void **state)
{
	struct world *w = *state;
	put(w, "scripts/transforms/ttl.lua",
	    "local seen = state(\"seen\", { ttl = \"2s\" })\n"
	    "function transform(e, m)\n"
	    "  local n = (seen:get(e.k) or 0) + 1\n"
	    "  if e.i % 4 ~= 0 then seen:put(e.k, n) end\n"
	    "  e.n = n\n"
	    "end\n");
	read_conf(w, "app \"t\"\nlocal a = stream \"a\" { time = \"t\" }\nlocal b = stream \"b\" {}\n"
		     "pipeline \"p\" { from = a, script \"transforms/ttl.lua\", to = b }\n");
	make_records();
	expect_same(w, 0);
	free_records();
}

/* The dead letter of something that was emitted names the event that it was made from. */
static void names_the_origin_of_what_was_emitted(void **state)
{
	struct world *w = *state;
	put(w, "scripts/transforms/one.lua", "function transform(e, m) if e.i == 4 then emit { i = 44 } end end\n");
	put(w, "scripts/transforms/two.lua", "function transform(e, m) if e.i == 44 then reject(\"from \" .. m.offset) end end\n");
	read_conf(w, "app \"t\"\nlocal a = stream \"a\" {}\nlocal b = stream \"b\" {}\n"
		     "pipeline \"p\" { from = a, script \"transforms/one.lua\", script \"transforms/two.lua\", to = b }\n");
	make_records();
	char *out = run_cut(w, record, 10, 10, 1);
	assert_non_null(strstr(out, "from 4"));
	free(out);
	free_records();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_printed_is_the_same, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(what_is_written_is_the_same, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(expiry_is_the_same_wherever_batches_are_cut, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(names_the_origin_of_what_was_emitted, world_setup, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
