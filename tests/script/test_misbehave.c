/* Scripts that do what they should not: the event at fault is rejected with the line and the reason, the others of its
 * batch go on, and so does the script. Small fuel and memory keep it quick. */
#include "script_helper.h"

#include <pthread.h>

struct wrong {
	const char *name, *text, *at, *says;
	size_t memory;
};

/* Event 1 of 3 is bad. */
static void run_wrong(const struct wrong *w)
{
	struct bed b;
	print_message("           %s\n", w->name);
	bed_new(&b, w->text);
	b.conf.fuel = 200000;
	b.conf.memory = w->memory ? w->memory : (size_t)16 << 20;
	if (bed_open(&b) < 0)
		fail_msg("%s", b.err);
	for (int round = 0; round < 3; round++) { /* compiled, too */
		bed_begin(&b, "in", 0, 100);
		for (uint32_t k = 0; k < 150; k++)
			bed_add(&b, k, k, fl_str("key"), fl_str(k == 70 ? "{\"bad\":true}" : "{\"good\":1}"), (struct fl_str){0});
		fl_events_decode(b.ev);
		if (fl_script_process(b.t, b.ev, b.err) < 0)
			fail_msg("%s", b.err);
		const struct fl_why *why = bed_why(&b, 70);
		if (!why || b.ev->b.outcome[70] != FL_REJECT)
			fail_msg("the bad event passed: %s", bed_out(&b, 70));
		if (w->at && !fl_str_eq(why->at, fl_str(w->at)))
			fail_msg("at %.*s, not %s: %.*s", (int)why->at.len, why->at.p, w->at, (int)why->text.len, why->text.p);
		if (!str_has(why->text, w->says))
			fail_msg("%.*s does not say %s", (int)why->text.len, why->text.p, w->says);
		assert_int_equal(b.ev->whys, 1);
		assert_string_equal(bed_out(&b, 69), "{\"good\":1,\"seen\":true}");
		assert_string_equal(bed_out(&b, 71), "{\"good\":1,\"seen\":true}");
		assert_string_equal(bed_out(&b, 70), "{\"bad\":true}");
		assert_int_equal(b.ev->emits, 0);
	}
	bed_close(&b);
}

#define BODY(s) "function transform(e)\ne.seen = true\nif not e.bad then return end\nemit { a = 1 }\n" s "\nend"
#define STEPS "used more than 200,000 steps"

static void test_loops(void **state)
{
	(void)state;
	static const struct wrong list[] = {
		{"while", BODY("while true do end"), "case.lua:5", STEPS, 0},
		{"repeat", BODY("repeat until false"), "case.lua:5", STEPS, 0},
		{"for", BODY("for k = 1, 1e15 do end"), "case.lua:5", STEPS, 0},
		{"for in", BODY("local function f() return 1 end\nfor k in f do end"), NULL, STEPS, 0},
		{"goto", BODY("::again:: goto again"), "case.lua:5", STEPS, 0},
		{"tail calls", "local function f() return f() end\n" BODY("return f()"), "case.lua:1", STEPS, 0},
		{"with work in it", BODY("local n = 0\nwhile true do\nn = n + 1\nend"), NULL, STEPS, 0},
		{"pcall around", BODY("while true do pcall(function() while true do end end) end"), "case.lua:5", STEPS, 0},
		{"pcall that ends", BODY("pcall(function() while true do end end)\ne.x = 1"), "case.lua:5", STEPS, 0},
		{"xpcall's handler", BODY("xpcall(error, function() while true do end end)"), NULL, "", 0},
		{"xpcall", BODY("xpcall(function() while true do end end, function() return 1 end)"), "case.lua:5", STEPS, 0},
		{"metamethod", BODY("local t = setmetatable({}, { __index = function(t, k) while true do end end })\nlocal x = t.y"), "case.lua:5", STEPS, 0},
		{"metamethod of metamethods", BODY("local t = setmetatable({}, { __index = function(t, k) return t[k .. 'x'] end })\nlocal x = t.y"), NULL, "", 0},
		{"coroutine", BODY("coroutine.resume(coroutine.create(function() while true do end end))"), "case.lua:5", STEPS, 0},
		{"wrapped coroutine", BODY("coroutine.wrap(function() while true do end end)()"), "case.lua:5", STEPS, 0},
		{"coroutines that yield", BODY("local co = coroutine.wrap(function() while true do coroutine.yield() end end)\nwhile true do co() end"), NULL, STEPS, 0},
		{"sort", BODY("table.sort({ 3, 1, 2 }, function() while true do end end)"), "case.lua:5", STEPS, 0},
		{"gsub", BODY("local s = ('x'):gsub('x', function() while true do end end)"), "case.lua:5", STEPS, 0},
		{"error's text", BODY("error(setmetatable({}, { __tostring = function() while true do end end }))"), "case.lua:5",
			"", 0},
		{"sorts again and again", BODY("local t = {} for k = 1, 1000 do t[k] = k end\nwhile true do table.sort(t) end"),
			NULL, STEPS, 0},
		{"moves again and again", BODY("local t = {} for k = 1, 100 do t[k] = k end\nwhile true do table.insert(t, 1, 0) table.remove(t, 1) end"), "case.lua:6", STEPS, 0},
		{"a log of it all", BODY("while true do log.debug('x') end"), "case.lua:5", STEPS, 0},
		{"a store for ever", "local s = state 's'\n" BODY("local k = 0 while true do k = k + 1 s:put(k, k) end"), NULL,
			STEPS, 0},
		{"emits for ever", BODY("while true do emit { a = 1 } end"), "case.lua:5", STEPS, 0},
		{"patterns", BODY("e.x = string.find(string.rep('a', 3000), string.rep('a-', 40) .. 'b')"), "case.lua:5",
			"too many steps", 0},
		{"patterns in pcall", BODY("while true do pcall(string.find, ('a'):rep(3000), ('a-'):rep(40) .. 'b') end"),
			"case.lua:5", "", 0},
	};
	for (size_t k = 0; k < sizeof list / sizeof *list; k++)
		run_wrong(&list[k]);
}

static void test_memory(void **state)
{
	(void)state;
	static const struct wrong list[] = {
		{"tables", BODY("local t = {} for k = 1, 1e6 do t[k] = { k } end"), NULL, "", 2 << 20},
		{"tables in pcall", BODY("pcall(function() local t = {} for k = 1, 1e6 do t[k] = { k } end end)"), NULL,
			"not enough memory", 2 << 20},
		{"a string that grows", BODY("local s = 'x' while true do s = s .. s end"), "case.lua", "not enough memory", 0},
		{"a huge string", BODY("local s = ('x'):rep(2 ^ 30)"), "case.lua:5", "too large", 0},
		{"huge strings again and again", BODY("local s, t = ('x'):rep(4000000), {} for k = 1, 1e5 do t[1] = s .. k end"),
			NULL, "not enough memory", 0},
		{"a huge list of arguments", BODY("local t = {} for k = 1, 1e5 do t[k] = k end\nlocal x = select('#', unpack(t))"),
			NULL, "", 0},
		{"a huge field", BODY("for k = 1, 100 do e['f' .. k % 10] = ('x'):rep(1000000) end"), "case.lua:5",
			"more than its memory", 0},
		{"huge records", BODY("local s = ('x'):rep(1000000) for k = 1, 100 do emit(s) end"), "case.lua:5",
			"more than its memory", 0},
		{"recursion", BODY("local function f(n) return 1 + f(n + 1) end\ne.x = f(1)"), NULL, "stack overflow", 0},
		{"recursion through metamethods", "local t = setmetatable({}, { __index = function(t, k) return k .. t[k .. 'x'] end })\n" BODY("e.x = t.a"),
			"case.lua:1", "stack overflow", 64 << 20},
		{"recursion through pcall", BODY("local function f() return pcall(f) == 1 end\nf() error 'end'"), NULL, "", 0},
		{"a value nested in itself", BODY("local t = {} t.t = t e.x = t"), "case.lua:5", "", 0},
		{"too many fields", BODY("for k = 1, 1000 do e['x' .. k] = k end"), "case.lua:5", "too many field names", 0},
	};
	for (size_t k = 0; k < sizeof list / sizeof *list; k++)
		run_wrong(&list[k]);
}

static void test_others(void **state)
{
	(void)state;
	static const struct wrong list[] = {
		{"raises", BODY("error 'boom'"), "case.lua:5", "case.lua:5: boom\n\tcase.lua:5: in", 0},
		{"raises for its caller", "local function check() error('bad', 2) end\n" BODY("check()\nreturn 1"), "case.lua:6",
			"case.lua:6: bad", 0},
		{"yields", BODY("coroutine.yield(1)"), "case.lua:5", "yield", 0},
		{"sets a global", BODY("leaked = 1"), "case.lua:5", "global leaked is set after loading", 0},
		{"sets a global by rawset", BODY("rawset(_G, 'leaked', 1)"), "case.lua:5", "read only", 0},
		{"changes a library", BODY("table.insert = nil"), "case.lua:5", "table is read only", 0},
		{"changes the event's kind", BODY("setmetatable(e, {})"), "case.lua:5", "protected", 0},
		{"puts into the event by force", BODY("rawset(e, 'x', 1)"), "case.lua:5", "read only", 0},
		{"loads code", BODY("load('return 1')"), "case.lua:5", "load", 0},
		{"fields in turn", BODY("for k in pairs(e) do end"), "case.lua:5", "not known", 0},
		{"requires late", BODY("require 'lib.late'"), "case.lua:5", "only while the script loads", 0},
		{"an error of a value", BODY("error({ 1 })"), "case.lua:5", "an error that is a table", 0},
		{"an error in the error", BODY("error(setmetatable({}, { __tostring = function() error 'no' end }))"),
			"case.lua:5", "an error that is a table", 0},
		{"counts down", BODY("metric.count('x', -1)"), "case.lua:5", "only grows", 0},
		{"a metric with a bad name", BODY("metric.count('X y')"), "case.lua:5", "small letters", 0},
	};
	for (size_t k = 0; k < sizeof list / sizeof *list; k++)
		run_wrong(&list[k]);
}

/* What was put before the memory ran out is not lost, and the script starts again. */
static void test_memory_keeps_state(void **state)
{
	struct bed b;
	uint32_t len;
	(void)state;
	bed_new(&b, "local s, n = state 's', 0\nfunction transform(e, m)\nn = n + 1\ns:put('n', (s:get 'n' or 0) + 1)\n"
		"if e.bad then local t = {} while true do t[#t + 1] = { t } end end\ne.n = n end");
	b.conf.memory = 4 << 20;
	assert_int_equal(bed_open(&b), 0);
	assert_int_equal(bed_run(&b, 3, "{}"), 0);
	assert_int_equal(bed_run(&b, 1, "{\"bad\":true}"), 0);
	assert_int_equal(b.ev->b.outcome[0], FL_REJECT);
	assert_true(str_has(bed_why(&b, 0)->text, "4 MiB"));
	assert_int_equal(bed_run(&b, 2, "{}"), 0);
	assert_string_equal(bed_out(&b, 1), "{\"n\":2}"); /* scratch begins anew */
	assert_int_equal(fl_script_flush(b.t, b.err), 0);
	struct fl_store *s = fl_state_store(b.st, "p.s", 0, b.err);
	const char *n = fl_store_get(s, fl_str("n"), fl_key_hash(fl_str("n")), &len);
	assert_int_equal(len, 1);
	assert_int_equal(*n, '5');
	assert_true(fl_script_memory(b.sc) < (4 << 20));
	bed_close(&b);
}

/* A script that keeps more and more in its variables starts again now and then, costs an event each time, and goes on. */
static void test_leaks(void **state)
{
	struct bed b;
	uint32_t rejected = 0, len;
	(void)state;
	bed_new(&b, "local s, leak = state 's', {}\nfunction transform(e, m)\nleak[#leak + 1] = { m.offset, tostring(m.offset) }\n"
		"s:put('n', (s:get 'n' or 0) + 1)\ns:put('k' .. m.offset, { 1, 2, 3 })\nend");
	b.conf.memory = 3 << 20;
	assert_int_equal(bed_open(&b), 0);
	for (int k = 0; k < 200; k++) {
		if (bed_run(&b, 300, "{}") < 0)
			fail_msg("%s", b.err);
		rejected += b.ev->whys;
		if (b.ev->whys)
			assert_true(str_has(b.ev->why[0].text, "not enough memory"));
		if (k % 7 == 0 && fl_script_flush(b.t, b.err) < 0)
			fail_msg("%s", b.err);
	}
	if (rejected > 60)
		fail_msg("%u events rejected", rejected);
	assert_int_equal(fl_script_flush(b.t, b.err), 0);
	struct fl_store *s = fl_state_store(b.st, "p.s", 0, b.err);
	const char *n = fl_store_get(s, fl_str("n"), fl_key_hash(fl_str("n")), &len);
	char want[16];
	assert_int_equal(snprintf(want, sizeof want, "%u", 200 * 300 - rejected), len);
	assert_memory_equal(n, want, len);
	bed_close(&b);
}

/* Opened on one thread, used on another. */
static struct bed elsewhere;

static void *open_bed(void *unused)
{
	(void)unused;
	bed_up(&elsewhere, "local n = 0\nfunction transform(e) n = n + e.x e.n = n end");
	return NULL;
}

static void test_other_thread(void **state)
{
	pthread_t thread;
	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, open_bed, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(bed_run(&elsewhere, 500, "{\"x\":1}"), 0);
	assert_string_equal(bed_out(&elsewhere, 499), "{\"x\":1,\"n\":500}");
	bed_close(&elsewhere);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_memory_keeps_state),
		cmocka_unit_test(test_leaks),
		cmocka_unit_test(test_other_thread),
	};
	return cmocka_run_group_tests_name("misbehave", tests, NULL, NULL);
}
