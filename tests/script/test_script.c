/* A script's life beside its events: what is loaded, tasks and their state, versions, chance that survives a restart,
 * batches of several shapes. */
#include "script_helper.h"

#include <math.h>

static void expect_err(struct bed *b, const char *says)
{
	assert_int_equal(bed_open(b), -1);
	if (!strstr(b->err, says))
		fail_msg("%s does not say %s", b->err, says);
}

static void test_opening_fails(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} list[] = {
		{"\033LJ\002", "case.lua is compiled Lua"},
		{"transform = 5", "case.lua: transform is a number; it must be a function"},
		{"function tick() end\nversion = {}", "case.lua: version is a table"},
		{"while true do end", "case.lua:1: this call used more than 10,000,000 steps"},
		{"local t = {}\nfor k = 1, 1e9 do t[k] = { k } end", "not enough memory"},
		{"local __n = 1", "case.lua:1: the name __n is reserved"},
		{"local lib = require 'lib.none'\nfunction tick() end", "case.lua:1: require \"lib.none\": "},
		{"emit { }", "case.lua:1: emit: not in open"},
		{"state 'a b'", "case.lua:1: state \"a b\": a store's name has"},
		{"state('a', { ttl = 'soon' })", "case.lua:1: ttl is a duration"},
		{"state '_x'", "begins with a letter"},
	};
	for (size_t k = 0; k < sizeof list / sizeof *list; k++) {
		struct bed b;
		bed_new(&b, list[k].text);
		expect_err(&b, list[k].says);
		bed_close(&b);
	}
	struct bed b;
	bed_new(&b, "state 'x'");
	b.conf.stores = 0;
	expect_err(&b, "there is no state here");
	b.conf.path = "/nowhere/x.lua";
	expect_err(&b, "/nowhere/x.lua can't be read: No such file");
	b.conf.memory = 1000;
	expect_err(&b, "too small");
	bed_close(&b);
}

static void test_requires(void **state)
{
	struct bed b;
	const char *const *files;
	(void)state;
	bed_new(&b, "local geo, same = require 'lib.geo', require 'lib.geo'\nlocal units = require 'lib.more.units'\n"
		"function transform(e) e.same = geo == same e.far = geo.far(e.x) e.unit = units.unit end");
	bed_file(&b, "lib/geo.lua", "local geo = {}\nloaded_geo = (loaded_geo or 0) + 1\nfunction geo.far(x)\n"
		"return loaded_geo + x * 2\nend\nreturn geo");
	bed_file(&b, "lib/more/units.lua", "return { unit = 'm' }");
	if (bed_open(&b) < 0)
		fail_msg("%s", b.err);
	assert_int_equal(fl_script_has(b.sc), FL_HAS_TRANSFORM);
	assert_int_equal(fl_script_files(b.sc, &files), 3);
	assert_string_equal(files[0], b.path);
	assert_non_null(strstr(files[1], "/lib/geo.lua"));
	assert_int_equal(bed_run(&b, 1, "{\"x\":2}"), 0);
	assert_string_equal(bed_out(&b, 0), "{\"x\":2,\"same\":true,\"far\":5,\"unit\":\"m\"}");
	assert_int_equal(bed_run(&b, 1, "{\"x\":\"a\"}"), 0); /* raises in the library, and says where */
	assert_true(fl_str_eq(bed_why(&b, 0)->at, fl_str("lib/geo.lua:4")));
	bed_close(&b);

	bed_new(&b, "require 'lib.a'");
	bed_file(&b, "lib/a.lua", "\nrequire 'lib.b'");
	bed_file(&b, "lib/b.lua", "\n\nrequire 'lib.a'");
	expect_err(&b, "lib/b.lua:3: require \"lib.a\": the file requires itself");
	bed_file(&b, "lib/a.lua", "return (");
	expect_err(&b, "lib/a.lua:1: ");
	bed_file(&b, "lib/a.lua", "while true do end");
	expect_err(&b, "lib/a.lua:1: this call used more");
	bed_file(&b, "case.lua", "require 'lib.../case'");
	expect_err(&b, "only files of the scripts' lib directory");
	b.conf.lib = NULL;
	expect_err(&b, "there is no lib directory");
	bed_close(&b);
}

static void test_tasks_have_their_own_state(void **state)
{
	struct bed b;
	(void)state;
	bed_up(&b, "local s = state 's'\nfunction transform(e, m) e.n = (s:get 'n' or 0) + 1 s:put('n', e.n) end");
	struct fl_state *other = fl_state_open(&(struct fl_state_conf){.who = "other"}, b.err);
	struct fl_script_task *t = b.t, *u = fl_script_task_new(b.sc, other, "p");
	for (int k = 0; k < 3; k++) {
		b.t = t;
		assert_int_equal(bed_run(&b, 2, "{}"), 0);
		b.t = u;
		assert_int_equal(bed_run(&b, 1, "{}"), 0);
	}
	assert_string_equal(bed_out(&b, 0), "{\"n\":3}");
	b.t = t;
	assert_int_equal(bed_run(&b, 1, "{}"), 0);
	assert_string_equal(bed_out(&b, 0), "{\"n\":7}");
	fl_script_task_free(u);
	fl_state_close(other);

	/* Another script on the same state, as after a reload, sees what was flushed. */
	assert_int_equal(fl_script_flush(b.t, b.err), 0);
	fl_script_task_free(b.t);
	fl_script_close(b.sc);
	assert_int_equal(bed_open(&b), 0);
	assert_int_equal(bed_run(&b, 1, "{}"), 0);
	assert_string_equal(bed_out(&b, 0), "{\"n\":8}");
	bed_close(&b);
}

static void test_exact_values_in_state(void **state)
{
	struct bed b;
	(void)state;
	bed_up(&b, "local s = state 's'\nfunction transform(e)\nif e.put then s:put('k', e.put) else e.got = s:get 'k' e.list = json.array {} end end");
	assert_int_equal(bed_run(&b, 1, "{\"put\":{\"a\":[],\"b\":{},\"i\":[9223372036854775807,18446744073709551615,0.1]}}"), 0);
	assert_int_equal(b.ev->whys, 0);
	assert_int_equal(fl_script_flush(b.t, b.err), 0);
	fl_script_task_free(b.t);
	b.t = fl_script_task_new(b.sc, b.st, "p");
	assert_int_equal(bed_run(&b, 1, "{}"), 0);
	assert_string_equal(bed_out(&b, 0), "{\"got\":{\"a\":[],\"b\":{},\"i\":[9223372036854775807,18446744073709551615,0.1]},\"list\":[]}");
	bed_close(&b);
}

static void test_time_to_live(void **state)
{
	struct bed b;
	(void)state;
	bed_up(&b, "local s = state('s', { ttl = '10s' })\nfunction transform(e) if e.put then s:put('k', e.put) end e.got = s:get 'k' end");
	fl_state_time(b.st, 100);
	assert_int_equal(bed_run(&b, 1, "{\"put\":1}"), 0);
	fl_state_time(b.st, 109);
	assert_int_equal(bed_run(&b, 1, "{}"), 0);
	assert_string_equal(bed_out(&b, 0), "{\"got\":1}");
	fl_state_time(b.st, 111);
	assert_int_equal(bed_run(&b, 1, "{}"), 0);
	assert_string_equal(bed_out(&b, 0), "{}");
	bed_close(&b);
}

/* More keys than are kept in Lua: they go to the store and come back. */
static void test_many_keys(void **state)
{
	struct bed b;
	(void)state;
	bed_up(&b, "local s, n = state 's', 0\nfunction transform(e)\nif e.check then\nlocal seen = 0\n"
		"for k, v in s:range() do seen = seen + v end\ne.sum = seen\nelse\n"
		"for k = 1, 1000 do n = n + 1 s:put('k' .. n, 1) end end end");
	for (int k = 0; k < 6; k++)
		assert_int_equal(bed_run(&b, 50, "{}"), 0);
	assert_int_equal(b.ev->whys, 0);
	assert_int_equal(bed_run(&b, 1, "{\"check\":1}"), 0);
	assert_string_equal(bed_out(&b, 0), "{\"check\":1,\"sum\":300000}");
	bed_close(&b);
}

/* ---- versions ---------------------------------------------------------------------------------------------------- */

#define KEEPS "local s = state 's'\nfunction transform(e) s:put('n', (s:get 'n' or 0) + 1) e.n = s:get 'n' end\n"

static void load_again(struct bed *b, const char *text)
{
	if (b->t)
		assert_int_equal(fl_script_flush(b->t, b->err), 0);
	fl_script_task_free(b->t);
	fl_script_close(b->sc);
	bed_file(b, "case.lua", text);
	if (bed_open(b) < 0)
		fail_msg("%s", b->err);
}

static void test_migrates(void **state)
{
	struct bed b;
	(void)state;
	bed_up(&b, KEEPS "version = 1 function migrate(old) error 'nothing to migrate' end");
	assert_int_equal(fl_script_migrate(b.t, 1, b.err), 0); /* a new state */
	load_again(&b, KEEPS);
	assert_int_equal(fl_script_migrate(b.t, 1, b.err), 0);
	bed_close(&b);

	bed_up(&b, KEEPS);
	assert_int_equal(bed_run(&b, 3, "{}"), 0);
	load_again(&b, KEEPS "version = 1\nfunction migrate(old) s:put('n', s:get 'n' * 100 + old) end");
	assert_int_equal(fl_script_migrate(b.t, 1, b.err), 0);
	assert_int_equal(bed_run(&b, 1, "{}"), 0);
	assert_string_equal(bed_out(&b, 0), "{\"n\":301}"); /* 3 events by a script without a version: 0 */
	load_again(&b, KEEPS "version = 'b'\nfunction migrate(old) s:put('n', 5) s:delete('m') error('from ' .. old) end");
	assert_int_equal(fl_script_migrate(b.t, 1, b.err), -1);
	assert_string_equal(b.err, "case.lua:4: from 1");
	load_again(&b, KEEPS "version = 'b'\nfunction migrate(old) for k, v in s:range() do s:put(k, v + old) end end");
	assert_int_equal(fl_script_migrate(b.t, 1, b.err), 0);
	assert_int_equal(fl_script_migrate(b.t, 1, b.err), 0); /* once */
	assert_int_equal(bed_run(&b, 1, "{}"), 0);
	assert_string_equal(bed_out(&b, 0), "{\"n\":303}");
	bed_close(&b);
}

/* ---- chance ------------------------------------------------------------------------------------------------------ */

static double draw(struct bed *b)
{
	double wait = -1;
	bed_begin(b, "", 0, 5);
	if (fl_script_generate(b->t, b->ev, 5, &wait, b->err) < 0)
		fail_msg("%s", b->err);
	return wait;
}

static void test_chance_survives(void **state)
{
	struct bed b;
	double seen[6];
	static const char text[] = "function generate(t, m) return m.random() end";
	(void)state;
	bed_up(&b, text);
	for (int k = 0; k < 6; k++)
		seen[k] = draw(&b);
	assert_true(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] >= 0 && seen[0] < 1);
	bed_close(&b);
	bed_up(&b, text);
	for (int k = 0; k < 3; k++)
		assert_true(draw(&b) == seen[k]);
	load_again(&b, text);
	for (int k = 3; k < 6; k++)
		assert_true(draw(&b) == seen[k]);
	bed_close(&b);
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

static void test_clock_of_records(void **state)
{
	struct bed b;
	(void)state;
	bed_up(&b, "function transform(e, m) e.same = m.now == m.time end");
	bed_begin(&b, "in", 0, NAN);
	for (int k = 0; k < 100; k++)
		bed_add(&b, k, k, (struct fl_str){0}, fl_str("{}"), (struct fl_str){0});
	fl_events_decode(b.ev);
	assert_int_equal(fl_script_process(b.t, b.ev, b.err), 0);
	assert_string_equal(bed_out(&b, 99), "{\"same\":true}");
	bed_close(&b);
}

/* A stage before has written; what the script does to that is undone to what it was, not to the record. */
static void test_undoes_to_the_stage_before(void **state)
{
	struct bed b;
	(void)state;
	bed_up(&b, "function transform(e)\ne.a = 'text' e.a = 5 e.b = nil e.c = { 1 } e.d = true e.new = 1\ne.o.x = 2 e.x = e.o\nerror 'no' end");
	uint32_t a = fl_fields_add(b.fields, fl_str("a")), c = fl_fields_add(b.fields, fl_str("c"));
	bed_begin(&b, "in", 0, 1);
	bed_add(&b, 0, 0, (struct fl_str){0}, fl_str("{\"a\":1,\"b\":\"x\",\"o\":{\"x\":1}}"), (struct fl_str){0});
	fl_events_decode(b.ev);
	fl_events_set_string(b.ev, a, 0, fl_str("before"));
	fl_events_set_number(b.ev, c, 0, 7);
	assert_int_equal(fl_script_process(b.t, b.ev, b.err), 0);
	assert_int_equal(b.ev->b.outcome[0], FL_REJECT);
	assert_string_equal(bed_out(&b, 0), "{\"a\":\"before\",\"b\":\"x\",\"o\":{\"x\":1},\"c\":7}");
	bed_close(&b);
}

/* One script on batches of two pipelines, and on a batch that was begun before it asked for its fields. */
static void test_other_batches(void **state)
{
	struct bed b;
	(void)state;
	bed_up(&b, "function transform(e) e.sum = e.x + e.y end");
	struct fl_fields *fields = fl_fields_new(), *mine = b.fields;
	fl_fields_add(fields, fl_str("q"));
	struct fl_events *other = fl_events_new(fields, &fl_codec_json, (struct fl_limits){0}, 4), *ev = b.ev;
	struct fl_events *early = fl_events_new(mine, &fl_codec_json, (struct fl_limits){0}, 4);
	struct fl_buf bytes = {0};
	fl_buf_add(&bytes, "{\"x\":1,\"y\":2}", 13);
	memset(fl_buf_room(&bytes, FL_PAD), ' ', FL_PAD);
	fl_events_begin(early, "in", 0, 1);
	for (int k = 0; k < 3; k++) {
		b.ev = ev;
		assert_int_equal(bed_run(&b, 2, "{\"x\":1,\"y\":2}"), 0);
		b.ev = other;
		assert_int_equal(bed_run(&b, 2, "{\"y\":5,\"x\":1}"), 0);
		assert_string_equal(bed_out(&b, 1), "{\"y\":5,\"x\":1,\"sum\":6}");
	}
	b.ev = early;
	fl_events_add(early, 0, 0, (struct fl_str){0}, (struct fl_str){bytes.p, 13}, (struct fl_str){0});
	fl_events_decode(early);
	assert_int_equal(fl_script_process(b.t, early, b.err), 0);
	assert_string_equal(bed_out(&b, 0), "{\"x\":1,\"y\":2,\"sum\":3}");
	b.ev = ev;
	fl_events_free(early);
	fl_events_free(other);
	fl_fields_free(fields);
	fl_buf_free(&bytes);
	bed_close(&b);
}

static void test_only_events_that_pass(void **state)
{
	struct bed b;
	(void)state;
	bed_up(&b, "local n = 0\nfunction transform(e) n = n + 1 e.n = n end");
	bed_begin(&b, "in", 0, 1);
	for (int k = 0; k < 4; k++)
		bed_add(&b, k, 0, (struct fl_str){0}, fl_str(k == 1 ? "broken" : "{}"), (struct fl_str){0});
	fl_events_decode(b.ev);
	fl_events_drop(b.ev, 2, "before", fl_str("x"));
	assert_int_equal(fl_script_process(b.t, b.ev, b.err), 0);
	assert_string_equal(bed_out(&b, 3), "{\"n\":2}");
	assert_int_equal(b.ev->b.outcome[1], FL_REJECT);
	bed_close(&b);
}

static void test_text_records(void **state)
{
	struct bed b;
	(void)state;
	bed_up(&b, "function transform(e) e.value = e.value:upper() emit('more ' .. e.value) end");
	fl_events_free(b.ev);
	b.ev = fl_events_new(b.fields, &fl_codec_text, (struct fl_limits){0}, 4);
	assert_int_equal(bed_run(&b, 1, "abc"), 0);
	assert_int_equal(b.ev->whys, 0);
	b.out.len = 0;
	assert_int_equal(fl_events_encode(b.ev, 0, &fl_codec_text, &b.out, b.err), 0);
	assert_memory_equal(b.out.p, "ABC", 3);
	assert_int_equal(b.ev->emits, 1);
	assert_true(fl_str_eq(b.ev->emitted[0].value, fl_str("more ABC")));
	bed_close(&b);
}

/* After reject in mid-batch, the emits of the events before and behind stay, in order and in place. */
static void test_emits_stand_behind_their_event(void **state)
{
	struct bed b;
	(void)state;
	bed_up(&b, "function transform(e, m) emit { o = m.offset } emit { again = m.offset } if m.offset == 1 then error 'x' end end");
	assert_int_equal(bed_run(&b, 3, "{}"), 0);
	assert_int_equal(b.ev->emits, 4);
	assert_int_equal(b.ev->emitted[0].before, 1);
	assert_int_equal(b.ev->emitted[2].before, 3);
	assert_true(fl_str_eq(b.ev->emitted[3].value, fl_str("{\"again\":2}")));
	assert_true(b.ev->emitted[2].time == 2);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opening_fails),
		cmocka_unit_test(test_requires),
		cmocka_unit_test(test_tasks_have_their_own_state),
		cmocka_unit_test(test_exact_values_in_state),
		cmocka_unit_test(test_time_to_live),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_migrates),
		cmocka_unit_test(test_chance_survives),
		cmocka_unit_test(test_clock_of_records),
		cmocka_unit_test(test_undoes_to_the_stage_before),
		cmocka_unit_test(test_other_batches),
		cmocka_unit_test(test_only_events_that_pass),
		cmocka_unit_test(test_text_records),
		cmocka_unit_test(test_emits_stand_behind_their_event),
	};
	return cmocka_run_group_tests_name("script", tests, NULL, NULL);
}
