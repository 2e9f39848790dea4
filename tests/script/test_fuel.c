/* The fuel rewriter: every kind of endless loop is stopped at its line, and nothing else about a script changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "script/fuel.h"

static int l_out(lua_State *L) { return luaL_error(L, "out of fuel"); }

/* A state whose registry has "meter", a function with the variables __n and __a, and "refill". */
static lua_State *new_state(void)
{
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	assert_int_equal(luaL_loadstring(L, "local __n,__a = 0,... return function() return __n,__a end, function(n) __n = n end"), 0);
	lua_pushcfunction(L, l_out);
	lua_call(L, 1, 2);
	lua_setfield(L, LUA_REGISTRYINDEX, "refill");
	lua_setfield(L, LUA_REGISTRYINDEX, "meter");
	return L;
}

static void refill(lua_State *L, double n)
{
	lua_getfield(L, LUA_REGISTRYINDEX, "refill");
	lua_pushnumber(L, n);
	lua_call(L, 1, 0);
}

static double fuel_left(lua_State *L)
{
	lua_getfield(L, LUA_REGISTRYINDEX, "meter");
	lua_call(L, 0, 1);
	double n = lua_tonumber(L, -1);
	lua_pop(L, 1);
	return n;
}

/* Pushes the main function of src, counted; -1: an error text instead. */
static int load_counted(lua_State *L, const char *src, size_t len)
{
	char err[FL_ERRLEN] = "";
	size_t outlen;
	char *out = fl_fuel_rewrite(src, len, &outlen, err);
	if (!out) {
		lua_pushstring(L, err);
		return -1;
	}
	int rc = luaL_loadbuffer(L, out, outlen, "=x");
	free(out);
	if (rc) {
		fl_fuel_explain(lua_tostring(L, -1), err);
		lua_pushstring(L, err);
		return -1;
	}
	lua_call(L, 0, 1);
	lua_getfield(L, LUA_REGISTRYINDEX, "meter");
	fl_fuel_join(L, lua_gettop(L) - 1, lua_gettop(L));
	lua_pop(L, 1);
	return 0;
}

static void test_stops(void **state)
{
	static const struct {
		const char *line; /* that of the outermost loop's do, repeat, label or function head that runs */
		const char *src;
	} cases[] = {
		{"x:2:", "local n = 0\nwhile true do n = n + 1 end"},
		{"x:2:", "local n = 0\nrepeat n = n + 1 until false"},
		{"x:3:", "local n = 0\n\nfor i = 1, math.huge do n = n + i end"},
		{"x:2:", "local n = 0\nfor k in function() return 1 end do n = n + k end"},
		{"x:2:", "local n = 0\n::again::\nn = n + 1\ngoto again"},
		{"x:1:", "local function f(n)\nlocal m = n return f(m + 1) end\nf(1)"},
		{"x:1:", "while true do\npcall(function() while true do end end)\nend"},
		{"x:1:", "repeat local ok = pcall(function()\n\nwhile true do end end) until false"},
		{"x:3:", "local co = coroutine.wrap(function()\nlocal n = 0\nwhile true do n = n + 1 end\nend)\nco()"},
		{"x:2:", "local t = setmetatable({}, {__index = function(t, k)\nwhile true do k = k + 1 end end})\nreturn t[1]"},
		{"x:2:", "table.sort({3, 2, 1, 5, 4}, function(a, b)\nwhile true do a = a + 1 end end)"},
		{"x:1:", "local function f() return f() end f()"},
		{"x:2:", "local s = ''\nstring.gsub('aaa', 'a', function() repeat until false end)"},
		{"x:3:", "local function spin(n)\n  if n > 0 then\n    for _ = 1, 1e9 do local _ = function() end end end end\nspin(1)"},
		{"x:3:", "local t = setmetatable({}, {__lt = function()\n\nwhile true do end end})\nreturn t < t"},
		{"x:1:", "while true do while true do break end end"},
		{"x:2:", "while true do local i = 0\nwhile i < 10 do i = i + 1 if i then goto continue end local z = i ::continue:: end end"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		lua_State *L = new_state();
		if (load_counted(L, cases[i].src, strlen(cases[i].src)))
			fail_msg("%s\n%s", lua_tostring(L, -1), cases[i].src);
		refill(L, 100000);
		assert_int_not_equal(lua_pcall(L, 0, 0, 0), 0);
		const char *msg = lua_tostring(L, -1);
		char want[32];
		snprintf(want, sizeof want, "%s out of fuel", cases[i].line);
		if (!strstr(msg, want)) /* coroutine.wrap puts the line of its caller before */
			fail_msg("%s instead of %s\n%s", msg, cases[i].line, cases[i].src);
		assert_true(fuel_left(L) < 0);
		lua_close(L);
	}
}

static void test_stays_gone(void **state)
{
	static const char src[] = "local n = 0\nfor i = 1, 10 do if pcall(function() for j = 1, 1e9 do end end) then n = n + 1 end end return n";
	lua_State *L = new_state();
	(void)state;
	assert_int_equal(load_counted(L, src, strlen(src)), 0);
	lua_pushvalue(L, -1);
	refill(L, 1000);
	assert_int_not_equal(lua_pcall(L, 0, 1, 0), 0);
	assert_string_equal(lua_tostring(L, -1), "x:2: out of fuel");
	lua_pop(L, 1);
	static const char other[] = "return (function() return 5 end)()"; /* another chunk of the same state */
	assert_int_equal(load_counted(L, other, strlen(other)), 0);
	lua_pushvalue(L, -1);
	assert_int_not_equal(lua_pcall(L, 0, 1, 0), 0);
	lua_pop(L, 1);
	refill(L, 10);
	assert_int_equal(lua_pcall(L, 0, 1, 0), 0);
	assert_int_equal(lua_tonumber(L, -1), 5);
	assert_int_equal((int)fuel_left(L), 9);
	lua_close(L);
}

/* Programs that give one string, the same with and without counts, lines of errors and functions included. */
static const char *const programs[] = {
	"local s = '' for i = 1, 5 do s = s .. i end return s",
	"#!/usr/bin/env lua\nlocal function f() return debug.getinfo(1, 'l').currentline end return 'line ' .. f()",
	"\xef\xbb\xbfreturn 'bom' .. debug.getinfo(1, 'l').currentline",
	"local s = '' for i = 1, 9 do if i % 2 == 0 then goto continue end local x = i s = s .. x ::continue:: end return s",
	"local s, i = '', 0 repeat i = i + 1 local done = i == 4 s = s .. i until done return s",
	"local s, i = '', 0 repeat i = i + 1 do if i == 2 then goto next end s = s .. i end ::next:: until i == 4 return s",
	"local i, s = 0, '' ::top:: ::again:: ; i = i + 1 s = s .. i if i < 3 then goto top elseif i < 5 then goto again end return s",
	"do local k = 0 ::a:: k = k + 1 if k < 3 then goto a else goto b end local z ::b:: end return 'b'",
	"local t = {} for i = 1, 3 do t[i] = function() return i end end return t[1]() .. t[2]() .. t[3]()",
	"local s = '' for i = 1, (function(n) while n < 4 do n = n + 1 end return n end)(1) do s = s .. i end return s",
	"while (function() do do end end return false end)() do end return 'w'",
	"local t = { f = function(self, ...) return select('#', ...) .. self.x end, x = 'x' } function t.g(...) return ... end function t:h() return self:f(1, 2) end return t:h() .. t.g('g')",
	"return ((...) == nil and 'none' or 'some') .. select('#', ...)",
	"local s = [==[ while do ]] ]=] ]==] .. 'for \\' do' .. \"function \\z\n   end \\\n do\" return s .. debug.getinfo(1, 'l').currentline",
	"--[[ while true do\n ]] --[==[\n]==] local a = 1 -- do\n--[=\nreturn 'c' .. debug.getinfo(1, 'l').currentline -- end",
	"local ok, err = pcall(function()\n\nlocal t = nil\nfor i = 1, 2 do t.x = i end end) return err",
	"local ok, err = pcall(function(a,\n b)\n error('here') end) return err",
	"local function f()\nreturn\nend\nlocal ok, e = pcall(error, 'e' .. tostring(f())) return e",
	"local s = 0x10 + 0X1p4 + 1e+2 + .5e-1 + 3. + 0xA.8p0 return s .. tostring(5LL + 3ULL) .. tostring(2i)",
	"local goto_ = {goto_ = 1} return 'g' .. goto_.goto_ .. #[[\n]] .. -0x1e-1",
	"local f = function() end\n(tostring or f)('') local x = f and 1 return 'x' .. x",
	"local n = 0 for _ in pairs({1, 2, a = 3}) do n = n + 1 if n == 2 then break end end return 'n' .. n",
	"local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end return '' .. fib(15)",
	"local co = coroutine.wrap(function(a) while true do a = coroutine.yield(a * 2) end end) return co(1) .. '' .. co(5)",
	"local t = {5, 2, 9} table.sort(t, function(a, b) return a > b end) return table.concat(t, ',')",
	"local \xc3\xa9t\xc3\xa9 = 'utf' return \xc3\xa9t\xc3\xa9",
	"local a = {} a.b = {} a.b.c = {} function a.b.c:d(x) return x or 'd' end return a.b.c:d()",
	"if false then ::l1:: elseif true then do ::l1:: end ::l2:: else ::l1:: end return 'labels'",
	"local i = 0 while i < 3 do i = i + 1 ::x:: if i == 2 then i = 5 goto x end end return 'i' .. i",
	"return 'crlf'\r\n .. debug.getinfo(1, 'l').currentline\r\n",
	"return",
	"",
	"-- only a comment",
	"#!only",
	"::last::",
};

static const char *run(lua_State *L)
{
	if (lua_pcall(L, 0, 1, 0))
		lua_pushfstring(L, "raised %s", lua_tostring(L, -1));
	return lua_tostring(L, -1) ? lua_tostring(L, -1) : "nil";
}

static void test_same(void **state)
{
	lua_State *L = new_state();
	(void)state;
	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
		const char *src = programs[i];
		if (luaL_loadbuffer(L, src, strlen(src), "=x"))
			fail_msg("%s", lua_tostring(L, -1));
		const char *before = run(L);
		if (load_counted(L, src, strlen(src)))
			fail_msg("%s\n%s", lua_tostring(L, -1), src);
		refill(L, 100000);
		const char *after = run(L);
		if (strcmp(before, after) != 0)
			fail_msg("%s became %s\n%s", before, after, src);
	}
	lua_close(L);
}

/* A function of depth blocks, one in another. */
static char *nest(int depth)
{
	char *src = fl_alloc((size_t)depth * 8 + 16);
	for (int i = 0; i < depth; i++)
		strcat(src, "do ");
	for (int i = 0; i < depth; i++)
		strcat(src, "end ");
	return src;
}

static void expect_refused(lua_State *L, const char *src, const char *want)
{
	if (load_counted(L, src, strlen(src)) == 0)
		fail_msg("taken: %.60s", src);
	if (!strstr(lua_tostring(L, -1), want))
		fail_msg("%s lacks: %s", lua_tostring(L, -1), want);
	lua_pop(L, 1);
}

static void test_refuses(void **state)
{
	lua_State *L = new_state();
	(void)state;
	expect_refused(L, "local a\nlocal __n = 1", "2: the name __n is reserved for the fuel counter");
	expect_refused(L, "\n\n__a()", "3: the name __a is reserved");
	expect_refused(L, "\x1bLJ", "compiled Lua");
	expect_refused(L, "do end end", "1: a block ends that never began");
	char *deep = nest(300);
	expect_refused(L, deep, "nested deeper than 256");
	free(deep);
	for (int i = 190; i < 200; i++) { /* what Lua takes is taken or refused with a sentence */
		char *src = nest(i);
		if (luaL_loadstring(L, src) == 0 && load_counted(L, src, strlen(src)))
			assert_non_null(strstr(lua_tostring(L, -1), "with the fuel counts"));
		lua_settop(L, 0);
		free(src);
	}
	lua_close(L);
}

/* A function that uses n variables of the one around it. */
static char *many_upvalues(int n)
{
	char *src = fl_printf("local a1"), *more;
	for (int i = 2; i <= n; i++, free(src), src = more)
		more = fl_printf("%s,a%d", src, i);
	more = fl_printf("%s\nlocal function f()\nlocal s = 0", src);
	free(src);
	src = more;
	for (int i = 1; i <= n; i++, free(src), src = more)
		more = fl_printf("%s s=s+a%d", src, i);
	more = fl_printf("%s end", src);
	free(src);
	return more;
}

static void test_upvalues(void **state)
{
	lua_State *L = new_state();
	(void)state;
	for (int n = 57; n <= 60; n++) {
		char *src = many_upvalues(n);
		assert_int_equal(luaL_loadstring(L, src), 0);
		if (n > 58)
			expect_refused(L, src, "the function of line 2 uses more than 58 variables of the functions around it");
		else
			assert_int_equal(load_counted(L, src, strlen(src)), 0);
		lua_settop(L, 0);
		free(src);
	}
	lua_close(L);
}

/* Each loop, counted, still becomes machine code: traces are made, and none is given up. (A loop made by goto never is
 * compiled by LuaJIT.) */
static void test_compiles(void **state)
{
	static const char *const loops[] = {
		"local n = 0 for i = 1, 1e5 do n = n + i end return n",
		"local n = 0 while n < 1e5 do n = n + 1 end return n",
		"local n = 0 repeat n = n + 1 until n == 1e5 return n",
		"local n = 0 for i, v in ipairs(setmetatable({}, nil)) do n = n + v end for i = 1, 1e5 do n = n + 1 end return n",
		"local function f(a) return a + 1 end local n = 0 for i = 1, 1e5 do n = f(n) end return n",
	};
	static const char watch[] = "stops, aborts = 0, 0 if not jit.status() then return false end "
		"jit.attach(function(what) if what == 'stop' then stops = stops + 1 elseif what == 'abort' then aborts = aborts + 1 end end, 'trace') return true";
	(void)state;
	for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
		lua_State *L = new_state();
		assert_int_equal(luaL_dostring(L, watch), 0);
		if (!lua_toboolean(L, -1)) {
			lua_close(L);
			skip();
		}
		assert_int_equal(load_counted(L, loops[i], strlen(loops[i])), 0);
		refill(L, 1e7);
		assert_int_equal(lua_pcall(L, 0, 1, 0), 0);
		lua_getglobal(L, "stops");
		lua_getglobal(L, "aborts");
		if (lua_tointeger(L, -2) < 1 || lua_tointeger(L, -1) > 0)
			fail_msg("%d traces, %d given up: %s", (int)lua_tointeger(L, -2), (int)lua_tointeger(L, -1), loops[i]);
		lua_close(L);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stops), cmocka_unit_test(test_stays_gone), cmocka_unit_test(test_same),
		cmocka_unit_test(test_refuses), cmocka_unit_test(test_upvalues), cmocka_unit_test(test_compiles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
