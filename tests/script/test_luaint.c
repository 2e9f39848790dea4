/* Integers beyond 2^53: exact results, exact comparisons, and a sentence wherever they can't be exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "script/luaint.h"

/* x is 2^63-1, m is -2^63, u is 2^64-1, p is 2^53+1; int makes others. */
static lua_State *new_state(void)
{
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	fl_lua_int_open(L);
	fl_lua_int_make(L);
	lua_setglobal(L, "int");
	fl_lua_int_push(L, INT64_MAX, 0);
	lua_setglobal(L, "x");
	fl_lua_int_push(L, INT64_MIN, 0);
	lua_setglobal(L, "m");
	fl_lua_int_push(L, -1, 1);
	lua_setglobal(L, "u");
	fl_lua_int_push(L, ((int64_t)1 << 53) + 1, 0);
	lua_setglobal(L, "p");
	return L;
}

struct calculation {
	const char *text, *want; /* what tostring gives, or the end of what it raises */
};

static void check(const struct calculation *cases, size_t n)
{
	lua_State *L = new_state();
	for (size_t i = 0; i < n; i++) {
		lua_pushfstring(L, "return tostring(%s)", cases[i].text);
		assert_int_equal(luaL_loadbuffer(L, lua_tostring(L, -1), strlen(lua_tostring(L, -1)), "=s"), 0);
		lua_pcall(L, 0, 1, 0);
		if (strcmp(lua_tostring(L, -1), cases[i].want) != 0)
			fail_msg("%s gives %s, not %s", cases[i].text, lua_tostring(L, -1), cases[i].want);
		lua_settop(L, 0);
	}
	lua_close(L);
}

static void test_calculates(void **state)
{
	static const struct calculation cases[] = {
		{"x", "9223372036854775807"}, {"m", "-9223372036854775808"}, {"u", "18446744073709551615"}, {"p", "9007199254740993"},
		{"x + 1", "9223372036854775808"}, {"1 + x", "9223372036854775808"}, {"x - 1", "9223372036854775806"}, {"1 - x", "-9223372036854775806"},
		{"x + m", "-1"}, {"m + x", "-1"}, {"m + u", "9223372036854775807"}, {"x - u", "-9223372036854775808"}, {"x - x", "0"}, {"u - x", "9223372036854775808"},
		{"-x", "-9223372036854775807"}, {"-m", "9223372036854775808"}, {"x * 2", "18446744073709551614"}, {"-1 * x", "-9223372036854775807"},
		{"m * -1", "9223372036854775808"}, {"x * 0", "0"}, {"x / 7", "1317624576693539401"}, {"m / 2 ^ 62", "-2"}, {"u / 5", "3689348814741910323"},
		{"x % 1000", "807"}, {"m % 1000", "192"}, {"x % -1000", "-193"}, {"m % -1000", "-808"}, {"u % u", "0"}, {"5 % x", "5"}, {"-5 % x", "9223372036854775802"},
		{"x - x % 1000000000", "9223372036000000000"}, {"(x - x % 1e9) / 1e9", "9223372036"}, {"p - 1 == 2 ^ 53", "true"}, {"type(p - 1)", "number"},
		{"p - 2 ^ 53", "1"}, {"x + 5LL", "9223372036854775812"}, {"x - 0xffffffffffffffffULL", "-9223372036854775808"}, {"type(x)", "cdata"},
		{"x .. ''", "9223372036854775807"}, {"'<' .. m .. '>'", "<-9223372036854775808>"}, {"1 .. x .. 2", "192233720368547758072"}, {"x .. m", "9223372036854775807-9223372036854775808"},
		{"tonumber(tostring(x)) == 2 ^ 63", "true"}, {"string.format('%s', x)", "9223372036854775807"},
	};
	(void)state;
	check(cases, sizeof cases / sizeof *cases);
}

static void test_compares(void **state)
{
	static const struct calculation cases[] = {
		{"x == x", "true"}, {"x == x + 0", "true"}, {"x == m", "false"}, {"x + 1 == 2 ^ 63", "true"}, {"2 ^ 63 == x", "false"}, {"x ~= 2 ^ 63", "true"},
		{"x == nil", "false"}, {"x == 'a'", "false"}, {"x == {}", "false"}, {"x == 0.5", "false"}, {"x == 1 / 0", "false"}, {"x == 0 / 0", "false"},
		{"x < 2 ^ 63", "true"}, {"2 ^ 63 <= x", "false"}, {"x + 1 <= 2 ^ 63", "true"}, {"p > 2 ^ 53", "true"}, {"p < 2 ^ 53 + 2", "true"}, {"2 ^ 53 < p", "true"},
		{"x < 1", "false"}, {"m < 1", "true"}, {"m < 0.5", "true"}, {"0.5 < m", "false"}, {"x > 0.5", "true"}, {"0.5 <= x", "true"},
		{"x < 1e300", "true"}, {"x > -1e300", "true"}, {"m > -1 / 0", "true"}, {"1 / 0 > u", "true"}, {"u < 2 ^ 64", "true"}, {"m < x", "true"}, {"m <= m", "true"},
		{"m - 0 < -2 ^ 63", "false"}, {"x < 0 / 0", "false"}, {"0 / 0 < x", "false"}, {"x >= 0 / 0", "false"}, {"x > 5LL", "true"}, {"-x < -p", "true"},
		{"x < 'a'", "s:1: attempt to compare 9223372036854775807 with a string"}, {"nil < x", "s:1: attempt to compare nil with 9223372036854775807"},
	};
	(void)state;
	check(cases, sizeof cases / sizeof *cases);
}

static void test_refuses(void **state)
{
	static const struct calculation cases[] = {
		{"u + 1", "s:1: 18446744073709551615 + 1 is beyond 64 bits"}, {"m - 1", "s:1: -9223372036854775808 - 1 is beyond 64 bits"},
		{"-u", "s:1: -(18446744073709551615) is beyond 64 bits"}, {"-(x + 2)", "s:1: -(9223372036854775809) is beyond 64 bits"},
		{"x * 3", "s:1: 9223372036854775807 * 3 is beyond 64 bits"}, {"m * 2", "s:1: -9223372036854775808 * 2 is beyond 64 bits"},
		{"u * u", "s:1: 18446744073709551615 * 18446744073709551615 is beyond 64 bits"},
		{"x + 0.5", "s:1: 9223372036854775807 + 0.5 can't be calculated exactly: integers beyond 2^53 go only with whole numbers of 64 bits"},
		{"1e300 - x", "s:1: 1e+300 - 9223372036854775807 can't be calculated exactly: integers beyond 2^53 go only with whole numbers of 64 bits"},
		{"'1' + p", "s:1: a string + 9007199254740993 can't be calculated exactly: integers beyond 2^53 go only with whole numbers of 64 bits"},
		{"x / 0", "s:1: 9223372036854775807 / 0 divides by zero"}, {"x % 0", "s:1: 9223372036854775807 % 0 divides by zero"},
		{"x / 2", "s:1: 9223372036854775807 / 2 leaves a remainder: take a - a % b first, or tonumber(tostring(a)) where near is good enough"},
		{"x ^ 2", "s:1: 9223372036854775807 ^ 2 is not calculated: integers beyond 2^53 have + - * and, where exact, / and %"},
		{"x .. nil", "s:1: attempt to concatenate a nil value"},
		{"(function() x.size = 1ULL end)()", "s:1: attempt to write to constant location"},
	};
	(void)state;
	check(cases, sizeof cases / sizeof *cases);
}

static void test_makes(void **state)
{
	static const struct calculation cases[] = {
		{"int '9223372036854775807' == x", "true"}, {"int '18446744073709551615' == u", "true"}, {"int '-9223372036854775808' == m", "true"},
		{"int '0000000000000000000000000000000005'", "5"}, {"int '-0'", "0"}, {"1 / int '-0'", "inf"}, {"type(int '9007199254740992')", "number"}, {"int(7)", "7"}, {"int(2 ^ 60)", "1152921504606846976"}, {"int(x) == x", "true"},
		{"int '18446744073709551616'", "s:1: json.int takes a whole number of 64 bits or its digits, not \"18446744073709551616\""},
		{"int '-9223372036854775809'", "s:1: json.int takes a whole number of 64 bits or its digits, not \"-9223372036854775809\""},
		{"int '99999999999999999999'", "s:1: json.int takes a whole number of 64 bits or its digits, not \"99999999999999999999\""},
		{"int '12x'", "s:1: json.int takes a whole number of 64 bits or its digits, not \"12x\""}, {"int ''", "s:1: json.int takes a whole number of 64 bits or its digits, not \"\""},
		{"int(1.5)", "s:1: json.int takes a whole number of 64 bits or its digits, not 1.5"}, {"int(nil)", "s:1: json.int takes a whole number of 64 bits or its digits, not nil"},
		{"int {}", "s:1: json.int takes a whole number of 64 bits or its digits, not a table"}, {"int(2 ^ 64)", "s:1: json.int takes a whole number of 64 bits or its digits, not 1.844674407371e+19"},
	};
	(void)state;
	check(cases, sizeof cases / sizeof *cases);
}

static void test_passes_c(void **state)
{
	static const struct {
		int64_t bits;
		int is_unsigned, plain;
	} cases[] = {
		{0, 0, 1}, {-1, 0, 1}, {(int64_t)1 << 53, 0, 1}, {-((int64_t)1 << 53), 0, 1}, {((int64_t)1 << 53) + 1, 0, 0}, {-((int64_t)1 << 53) - 1, 0, 0},
		{INT64_MAX, 0, 0}, {INT64_MIN, 0, 0}, {INT64_MIN, 1, 0}, {-1, 1, 0}, {1234567890123456789, 0, 0},
	};
	lua_State *L = new_state();
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t bits = 7;
		int is_unsigned = 7;
		fl_lua_int_push(L, cases[i].bits, cases[i].is_unsigned);
		assert_int_equal(fl_lua_int_get(L, -1, &bits, &is_unsigned), !cases[i].plain);
		if (cases[i].plain) {
			assert_true(lua_tonumber(L, -1) == (double)cases[i].bits);
		} else {
			assert_true(bits == cases[i].bits);
			assert_int_equal(is_unsigned, cases[i].is_unsigned);
		}
		assert_int_equal(lua_gettop(L), 1);
		lua_pop(L, 1);
	}
	int64_t bits;
	int is_unsigned;
	assert_int_equal(luaL_dostring(L, "return 5LL, 0xffffffffffffffffULL, require('ffi').new('int[2]'), {}, -7LL"), 0);
	assert_true(fl_lua_int_get(L, 1, &bits, &is_unsigned) && bits == 5 && !is_unsigned);
	assert_true(fl_lua_int_get(L, 2, &bits, &is_unsigned) && bits == -1 && is_unsigned);
	assert_false(fl_lua_int_get(L, 3, &bits, &is_unsigned));
	assert_false(fl_lua_int_get(L, 4, &bits, &is_unsigned));
	assert_true(fl_lua_int_get(L, -1, &bits, &is_unsigned) && bits == -7 && !is_unsigned);
	lua_close(L);
}

/* Against plain numbers: whatever both can hold, calculated around 2^53 by parts, agrees. */
static void test_agrees(void **state)
{
	static const char src[] =
		"local seed = 7 local function rnd(n) seed = (seed * 1103515245 + 12345) % 2147483648 return math.floor(seed / 65536) % n end\n"
		"for _ = 1, 20000 do\n"
		"  local a, b = rnd(32768) * 32768 + rnd(32768), rnd(1000) + 1\n"
		"  local big = int(tostring(u)) - rnd(1000)\n"
		"  local q = (big - big % b) / b\n"
		"  assert(q * b + big % b == big, 'division')\n"
		"  assert(big % b < b and big % b >= 0, 'rest')\n"
		"  assert(x - a + a == x and x - (x - a) == a, 'sum')\n"
		"  assert((x - a < x - b) == (a > b), 'order')\n"
		"  assert((p + a) - (p + b) == a - b, 'difference')\n"
		"end";
	lua_State *L = new_state();
	(void)state;
	if (luaL_dostring(L, src))
		fail_msg("%s", lua_tostring(L, -1));
	lua_close(L);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calculates), cmocka_unit_test(test_compares), cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_makes), cmocka_unit_test(test_passes_c), cmocka_unit_test(test_agrees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
