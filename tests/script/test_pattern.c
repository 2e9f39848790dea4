/* The pattern matcher against LuaJIT's own, on random patterns and subjects, and its limit to steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "script/pattern.h"

static int64_t steps;

/* A state with LuaJIT's functions in "string" and ours in "ours". */
static lua_State *new_state(int64_t limit)
{
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	lua_newtable(L);
	steps = limit;
	fl_pattern_open(L, &steps);
	lua_setglobal(L, "ours");
	return L;
}

static void run(lua_State *L, const char *src)
{
	if (luaL_loadbuffer(L, src, strlen(src), "=test") || lua_pcall(L, 0, 0, 0))
		fail_msg("%s", lua_tostring(L, -1));
}

/* Calls both in every way and compares all that they return or raise, places in messages included. */
static const char compare[] =
	"local function pack(...) local t = {n = select('#', ...), ...} for i = 1, t.n do t[i] = type(t[i]) .. ':' .. tostring(t[i]) end\n"
	"  return table.concat(t, '|') end\n"
	"local function all(lib, s, p, init, r)\n"
	"  local out = {}\n"
	"  local function try(f, ...) out[#out + 1] = pack(pcall(f, ...)) end\n"
	"  try(function() return lib.find(s, p, init) end)\n"
	"  try(lib.find, s, p, init, true)\n"
	"  try(function() return lib.match(s, p, init) end)\n"
	"  try(function() local t = {} for a, b in lib.gmatch(s, p) do t[#t + 1] = pack(a, b) end return table.concat(t, ';') end)\n"
	"  try(lib.gsub, s, p, r)\n"
	"  try(function() return (lib.gsub(s, p, r, init)) end)\n"
	"  try(lib.gsub, s, p, {a = 1, b = false, ab = 'x', [1] = 'one'})\n"
	"  try(lib.gsub, s, p, function(...) return select('#', ...) > 1 and pack(...) or nil end)\n"
	"  return table.concat(out, '\\n')\n"
	"end\n"
	"function same(s, p, init, r)\n"
	"  local want, got = all(string, s, p, init, r), all(ours, s, p, init, r)\n"
	"  if want ~= got then error(string.format('%q with %q, %s, %q\\nwant %s\\ngot  %s', s, p, tostring(init), r, want, got), 0) end\n"
	"end\n";

static void test_random(void **state)
{
	static const char src[] =
		"local seed = 42\n"
		"local function rnd(n) seed = (seed * 1103515245 + 12345) % 2147483648 return math.floor(seed / 65536) % n + 1 end\n"
		"local items = {'a', 'b', '.', '%a', '%d', '%s', '%w', '%W', '%p', '%c', '%x', '%g', '%l', '%u', '%z', '%S', '%A', '%.', '%%', '%q', '\\200',\n"
		"  '[ab]', '[^a]', '[a-c]', '[%a_]', '[]]', '[^]]', '[a-]', '[-a]', '[%]]', '[a%-z]', '[\\200-\\255]', '%f[%w]', '%f[^a]', '%b()', '%bab', '%baa',\n"
		"  '(', ')', '()', '%1', '%2', '(a)', '(.)', '(b*)', '^', '$', '[', ']', '%', '-', '*', '+', '?', '[a', '[^', '%b', '%f', '\\0', '%0', 'A', ' ', '1', '[%', '[b-a]', '[%a-z]'}\n"
		"local marks = {'', '', '', '', '*', '+', '-', '?'}\n"
		"local chars = {'a', 'b', 'c', 'a', 'b', '(', ')', ' ', '1', '_', '.', '\\0', '\\200', '\\255', 'A', ']', '^', '-', '\\n', '%'}\n"
		"local repls = {'x', '%0', '%1', '<%1%2>', '%', '%%', '%a', '', '%9', 'long text %0 again %0'}\n"
		"for _ = 1, 40000 do\n"
		"  local p, s = {rnd(8) == 1 and '^' or ''}, {}\n"
		"  for i = 1, rnd(5) do p[#p + 1] = items[rnd(#items)] p[#p + 1] = marks[rnd(#marks)] end\n"
		"  if rnd(8) == 1 then p[#p + 1] = '$' end\n"
		"  for i = 1, rnd(14) - 1 do s[i] = chars[rnd(#chars)] end\n"
		"  same(table.concat(s), table.concat(p), rnd(3) == 1 and rnd(20) - 8 or nil, repls[rnd(#repls)])\n"
		"end\n";
	lua_State *L = new_state(INT64_MAX);
	(void)state;
	run(L, compare);
	run(L, src);
	lua_close(L);
}

static void test_corners(void **state)
{
	static const char src[] =
		"local a = ('a'):rep(300)\n"
		"for _, n in ipairs {1, 100, 198, 199, 200, 201, 250} do\n"
		"  for _, p in ipairs {'a', 'a?', 'a*', 'a-', '.-', '[a]?'} do same(a, p:rep(n), nil, 'x') end end\n"
		"for n = 30, 34 do same(a, ('(a)'):rep(n), nil, '%1') same(a, ('()'):rep(n), nil, '%9') end\n"
		"for i = 0, 255 do for _, p in ipairs {'a', 'c', 'd', 'g', 'l', 'p', 's', 'u', 'w', 'x', 'z', 'A', 'C', 'G', 'P', 'X', 'Z'} do\n"
		"  same(string.char(i), '%' .. p, nil, '') same(string.char(i), '[%' .. p .. ']', nil, '') end\n"
		"  for j = 1, 255, 7 do same(string.char(j), '%' .. string.char(i), nil, '') end end\n"
		"for _, i in ipairs {-100, -4, -3, -2.5, -1, 0, 1, 1.7, 3, 4, 5, 100, '2'} do same('abc', '', i, 'x') same('abc', 'b?', i, 'y') same('abc', '^b', i, 'z') end\n"
		"same('a.b.c', '.', 1, '%%') same('x', '', nil, '') same('', '', nil, 'a') same('', '^', nil, 'a') same('', '$', nil, 'a')\n"
		"same('hello world', '(o)(%s*)', nil, '%2%1') same('THE (quick) fox', '%((%a+)%)', nil, '<%1>') same('((a)(b)', '%b()', nil, '%0')\n"
		"same('a=1, b=2', '(%w+)=(%w+)', nil, '%2=%1') same(12, 1, nil, 2) same('aXbX', 'X', 2, 5)\n"
		"local function both(f) local x, y = {pcall(f, string)}, {pcall(f, ours)} assert(x[1] == y[1] and x[2] == y[2], tostring(x[2]) .. ' / ' .. tostring(y[2])) end\n"
		"both(function(l) l.find() end) both(function(l) l.find('a') end) both(function(l) l.find({}, 'a') end) both(function(l) l.find('a', 'a', {}) end)\n"
		"both(function(l) l.gmatch() end) both(function(l) l.gmatch('a') end) both(function(l) l.gmatch({}, 'a') end) both(function(l) l.match('a', nil) end)\n"
		"both(function(l) l.gsub('a', 'a') end) both(function(l) l.gsub('a', 'a', true) end) both(function(l) l.gsub('a', 'a', true, 'x') end)\n"
		"both(function(l) l.gsub('a', 'a', 'b', 'x') end) both(function(l) l.gsub('a', 'a', function() return {} end) end) both(function(l) l.gsub('a', 'a', 'b', -1) end)\n"
		"both(function(l) l.gsub('a', 'a', {a = function() end}) end) both(function(l) l.gsub('a', 'a', function() error('mine') end) end)\n"
		"both(function(l) return l.gsub('abc', '%w', setmetatable({}, {__index = function(_, k) return k .. k end})) end)\n"
		"both(function(l) return l.gsub('abc', 'b', 1.5) end) both(function(l) return l.gsub('abc', '(a)(b)(c)', function(...) return select('#', ...) end) end)\n"
		"both(function(l) local f = l.gmatch('abc', '%a*') return f() .. f() .. tostring(f()) end)\n"
		"both(function(l) return l.find(a .. 'b', 'b', 1, true) end) both(function(l) return l.find('a\\0b', '\\0b', 1, true) end)\n";
	lua_State *L = new_state(INT64_MAX);
	(void)state;
	run(L, compare);
	run(L, src);
	lua_close(L);
}

/* Runs src, which must end for want of steps, at the caller's line, and again at once. */
static void expect_too_many(const char *src, int64_t limit)
{
	lua_State *L = new_state(limit);
	assert_int_equal(luaL_loadbuffer(L, src, strlen(src), "=test"), 0);
	if (lua_pcall(L, 0, 0, 0) == 0)
		fail_msg("not stopped: %s", src);
	assert_string_equal(lua_tostring(L, -1), "test:1: pattern took too many steps");
	assert_true(steps < 0);
	run(L, "local ok, err = pcall(ours.find, 'a', 'a') assert(not ok and err == 'pattern took too many steps')");
	steps = 100;
	run(L, "assert(ours.find('a', 'a') == 1)");
	lua_close(L);
}

static void test_stops(void **state)
{
	(void)state;
	expect_too_many("ours.find(('a'):rep(40), ('a*'):rep(30) .. 'b')", 10000000);
	expect_too_many("ours.match(('a'):rep(40), ('a-'):rep(30) .. 'b')", 10000000);
	expect_too_many("for _ in ours.gmatch(('a'):rep(40), ('a?'):rep(40) .. 'b') do end", 10000000);
	expect_too_many("ours.gsub(('a'):rep(40), ('(a*)'):rep(20) .. 'b', '')", 10000000);
	expect_too_many("ours.find(('('):rep(100000), '%b()')", 10000000);
	expect_too_many("ours.find(('a'):rep(1000), '[' .. ('b'):rep(1000) .. ']')", 100000);
	expect_too_many("ours.find(('a'):rep(1000000), 'b')", 10000);
	expect_too_many("ours.gsub(('a'):rep(1000), 'a', ('b'):rep(1000))", 50000);
	expect_too_many("ours.gsub(('a'):rep(1000), 'a', function() return ('b'):rep(1000) end)", 50000);
	expect_too_many("ours.find(('a'):rep(1000), '^(a*)%1%1b')", 500);
	expect_too_many("pcall(ours.find, ('a'):rep(40), ('a*'):rep(30) .. 'b') ours.find('a', 'b')", 10000);
}

/* What a usual pattern costs: about a step a byte. */
static void test_costs(void **state)
{
	lua_State *L = new_state(1000);
	(void)state;
	run(L, "assert(ours.match('sensor-17', '^(%a+)%-(%d+)$') == 'sensor')");
	assert_in_range(1000 - steps, 5, 40);
	lua_close(L);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random), cmocka_unit_test(test_corners), cmocka_unit_test(test_stops), cmocka_unit_test(test_costs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
