/* The exact codec: what goes in comes out, and what can't be JSON is named with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "script/luaint.h"
#include "script/luajson.h"

static lua_State *new_state(void)
{
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	fl_lua_int_open(L);
	lua_newtable(L);
	fl_lua_json_open(L);
	lua_setglobal(L, "json");
	return L;
}

/* Reads text and writes it again, or gives the error. */
static const char *round_trip(lua_State *L, const char *text, struct fl_buf *out, char *err)
{
	out->len = 0;
	if (fl_lua_json_push(L, fl_str(text), err) || fl_lua_json_add(L, -1, out, err))
		return err;
	assert_int_equal(lua_gettop(L), 1);
	lua_pop(L, 1);
	fl_buf_byte(out, 0);
	return out->p;
}

static void test_round_trips(void **state)
{
	static const char *const same[] = {
		"{}", "[]", "null", "true", "false", "0", "-0", "1", "2.5", "\"\"", "[[]]", "[{}]", "{\"a\":[]}", "{\"a\":{}}", "[null]", "[null,1,null]",
		"{\"a\":null,\"b\":[1,[2,[]]],\"c\":{\"d\":\"e\"}}", "9007199254740992", "9007199254740993", "-9007199254740993", "9223372036854775807",
		"-9223372036854775808", "9223372036854775808", "18446744073709551615", "1732150000.123456", "1732150000123456789", "0.1", "1e+21", "5e-324",
		"1.7976931348623157e+308", "\"\\u0000\"", "\"\\\"\\\\\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", "{\"\":1}", "[1,2,3,4,5,6,7,8,9,10,11]",
	};
	static const char *const other[][2] = {
		{" { \"b\" : 1 , \"a\" : 2 } ", "{\"a\":2,\"b\":1}"}, {"3.0", "3"}, {"1E2", "100"}, {"\"\\u00e9\"", "\"\xc3\xa9\""}, {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
		{"{\"ab\":1,\"a\":2,\"\xc3\xa9\":3,\"B\":4}", "{\"B\":4,\"a\":2,\"ab\":1,\"\xc3\xa9\":3}"},
		{"1e400", "the number 1e400 is larger than a number can be (1.8e308)"},
	};
	lua_State *L = new_state();
	struct fl_buf out = {0};
	char err[FL_ERRLEN];
	(void)state;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		assert_string_equal(round_trip(L, same[i], &out, err), same[i]);
	for (size_t i = 0; i < sizeof other / sizeof *other; i++)
		assert_string_equal(round_trip(L, other[i][0], &out, err), other[i][1]);
	fl_buf_free(&out);
	lua_close(L);
}

static void test_malformed(void **state)
{
	static const char *const texts[] = {"", " ", "[", "]", "{", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":", "{\"a\":1,", "{a:1}", "nul", "tru", "01", "1.", "+1", ".5", "-", "\"",
		"\"\\x\"", "\"\\ud800\"", "\"\xff\"", "1 2", "[1 2]", "{\"a\" 1}", "\"\n\"", "nan", "{\"a\":{\"b\":[1e400]}}", "{1:2}"};
	lua_State *L = new_state();
	(void)state;
	lua_pushinteger(L, 1);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char err[FL_ERRLEN] = "";
		if (fl_lua_json_push(L, fl_str(texts[i]), err) == 0)
			fail_msg("taken: %s", texts[i]);
		assert_true(strlen(err) > 10);
		assert_int_equal(lua_gettop(L), 1);
	}
	lua_close(L);
}

static void test_depth(void **state)
{
	lua_State *L = new_state();
	struct fl_buf out = {0};
	char err[FL_ERRLEN], text[140] = "";
	(void)state;
	memset(text, '[', 64);
	memset(text + 64, ']', 64);
	assert_string_equal(round_trip(L, text, &out, err), text);
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	assert_int_equal(fl_lua_json_push(L, fl_str(text), err), -1);
	assert_int_equal(luaL_dostring(L, "t = {} for i = 2, 64 do t = {t} end"), 0);
	lua_getglobal(L, "t");
	assert_int_equal(fl_lua_json_add(L, 1, &out, err), 0);
	assert_int_equal(luaL_dostring(L, "t = {t}"), 0);
	lua_getglobal(L, "t");
	assert_int_equal(fl_lua_json_add(L, -1, &out, err), -1);
	assert_non_null(strstr(err, "tables are nested deeper than 64"));
	fl_buf_free(&out);
	lua_close(L);
}

/* Lua values, and the JSON or the sentence that they give. */
static void test_values(void **state)
{
	static const char *const cases[][2] = {
		{"{}", "{}"}, {"json.array{}", "[]"}, {"json.array()", "[]"}, {"json.array{1, 2}", "[1,2]"}, {"{1, 2}", "[1,2]"}, {"{json.null}", "[null]"}, {"nil", "null"},
		{"{a = 3.0, b = 1e15, c = 123456789012345}", "{\"a\":3,\"b\":1000000000000000,\"c\":123456789012345}"}, {"{n = 5LL, u = 0xffffffffffffffffULL}", "{\"n\":5,\"u\":18446744073709551615}"},
		{"{json.int '9223372036854775807'}", "[9223372036854775807]"}, {"{['1'] = 2}", "{\"1\":2}"}, {"{['a\\0b'] = 1}", "{\"a\\u0000b\":1}"},
		{"setmetatable({a = 1}, {__index = {b = 2}, __tostring = error})", "{\"a\":1}"},
		{"(function() local t = json.decode '[]' t[1] = {} return t end)()", "[{}]"},
		{"(function() local t = {1} return {t, t} end)()", "[[1],[1]]"},
		{"0 / 0", "nan is not JSON"}, {"{a = {b = {1, 2, 0 / 0}}}", "a.b[3]: nan is not JSON"}, {"{-1 / 0}", "[1]: -inf is not JSON"},
		{"{['my key'] = {x = '\\255'}}", "[\"my key\"].x: the string is not UTF-8"}, {"{a = {['\\255'] = 1}}", "a: a key is not UTF-8"},
		{"{1, 2, x = 3}", "a table has both strings and numbers as keys, so it is neither an object nor an array"},
		{"{a = {1, nil, 3}}", "a: an array has holes; put json.null where nothing is"}, {"{[2] = 1}", "an array has holes; put json.null where nothing is"},
		{"{[0] = 1}", "a table has a number as key that is no place in an array (1, 2, 3 \xe2\x80\xa6); make it a string by tostring"},
		{"{[1.5] = 1}", "a table has a number as key that is no place in an array (1, 2, 3 \xe2\x80\xa6); make it a string by tostring"},
		{"{[true] = 1}", "a table has a key that is neither a string nor a number"}, {"json.array{x = 1}", "an array has strings as keys"},
		{"{f = print}", "f: a function is not JSON"}, {"{coroutine.create(print)}", "[1]: a thread is not JSON"}, {"io.stdout", "a userdata is not JSON"},
		{"require('ffi').new('int[2]')", "a cdata is not JSON"},
		{"(function() local t = {} t.a = {t} return t end)()", "a[1]: a table contains itself"}, {"(function() local t = {} t[1] = t return {x = t} end)()", "x[1]: a table contains itself"},
	};
	lua_State *L = new_state();
	struct fl_buf out = {0};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char err[FL_ERRLEN];
		lua_pushfstring(L, "return %s", cases[i][0]);
		if (luaL_dostring(L, lua_tostring(L, -1)))
			fail_msg("%s", lua_tostring(L, -1));
		out.len = 0;
		FL_BUF_LIT(&out, "before");
		int rc = fl_lua_json_add(L, 2, &out, err), failed = out.len == 6;
		assert_int_equal(rc, failed ? -1 : 0);
		fl_buf_byte(&out, 0);
		assert_string_equal(rc ? err : out.p + 6, cases[i][1]);
		assert_int_equal(lua_gettop(L), 2);
		lua_settop(L, 0);
	}
	fl_buf_free(&out);
	lua_close(L);
}

static void test_module(void **state)
{
	static const char src[] =
		"assert(json.encode{b = 1, a = json.null} == '{\"a\":null,\"b\":1}')\n"
		"local v = json.decode '{\"n\":null,\"big\":18446744073709551615,\"list\":[]}'\n"
		"assert(v.n == json.null and v.n ~= nil and not (v.n == 0) and not (json.null == '') and v.big == json.int '18446744073709551615')\n"
		"assert(json.encode(v) == '{\"big\":18446744073709551615,\"list\":[],\"n\":null}')\n"
		"local none, err = json.decode '[1' assert(none == nil and #err > 10)\n"
		"local ok, msg = pcall(function() json.encode{1 / 0} end) assert(not ok and msg == 'm:6: json.encode: [1]: inf is not JSON', msg)\n"
		"assert(not pcall(json.decode, {}) and not pcall(json.encode) and not pcall(json.array, 5))\n"
		"local dag = 'x' for i = 1, 63 do dag = {dag, dag} end ok, msg = pcall(json.encode, dag) assert(not ok and msg:find 'larger than 16 MiB', msg)\n"
		"ok, msg = pcall(json.encode, ('x'):rep(17 * 2 ^ 20)) assert(not ok and msg:find 'larger than 16 MiB', msg)\n"
		"local big = {} for i = 1, 3000 do big['key' .. i] = {i, tostring(i), {x = {}}} end\n"
		"local text = json.encode(big) assert(json.encode(json.decode(text)) == text)\n";
	lua_State *L = new_state();
	(void)state;
	if (luaL_loadbuffer(L, src, sizeof src - 1, "=m") || lua_pcall(L, 0, 0, 0))
		fail_msg("%s", lua_tostring(L, -1));
	lua_close(L);
}

/* Memory that runs out at any point raises, and leaves nothing behind (the sanitizer's run sees a leak). */
struct cap {
	size_t used, limit;
};

static void *capped(void *ud, void *p, size_t osize, size_t nsize)
{
	struct cap *cap = ud;
	if (nsize > osize && cap->used + nsize - osize > cap->limit)
		return NULL;
	cap->used += nsize - osize;
	if (nsize == 0) {
		free(p);
		return NULL;
	}
	return realloc(p, nsize);
}

static int l_work(lua_State *L)
{
	char err[FL_ERRLEN];
	struct fl_buf *out = lua_touserdata(L, 1);
	for (int i = 0; i < 50; i++) {
		if (fl_lua_json_push(L, fl_str("{\"a\":[\"\\n1\",9223372036854775807,{\"b\":[]}],\"list\":[1,2,3,4,5,6,7,8,9],\"s\":\"0123456789\"}"), err) || fl_lua_json_add(L, -1, out, err))
			return luaL_error(L, "%s", err);
		if (!lua_checkstack(L, 20))
			return luaL_error(L, "no stack");
	}
	return 0;
}

static void test_out_of_memory(void **state)
{
	int failed = 0, worked = 0;
	(void)state;
	for (size_t more = 0; more < 100000; more += 997) {
		struct cap cap = {.limit = SIZE_MAX};
		struct fl_buf out = {0};
		lua_State *L = lua_newstate(capped, &cap);
		luaL_openlibs(L);
		fl_lua_int_open(L);
		lua_gc(L, LUA_GCCOLLECT, 0);
		cap.limit = cap.used + more;
		if (lua_cpcall(L, l_work, &out))
			failed++;
		else
			worked++;
		cap.limit = SIZE_MAX;
		lua_close(L);
		fl_buf_free(&out);
	}
	assert_true(failed > 0 && worked > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips), cmocka_unit_test(test_malformed), cmocka_unit_test(test_depth),
		cmocka_unit_test(test_values), cmocka_unit_test(test_module), cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
