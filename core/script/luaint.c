/* Integers beyond 2^53 on the C side; the type itself is luaint.lua. Called by the JSON codec and by the columns of
 * events, on the worker's thread. */
#include "luaint.h"

#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "../base/err.h"

#define PLAIN ((uint64_t)1 << 53)
#define TYPE_CDATA 10 /* what lua_type gives for cdata; lua.h has no name for it */

static const char source[] =
#include "core/script/luaint.lua.h"
	;

/* Addresses as keys of the registry. */
static const char push_key, split_key, make_key;

static void push_kept(lua_State *L, const char *key)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)key);
	lua_rawget(L, LUA_REGISTRYINDEX);
}

/* Keeps the value at the top of the stack. */
static void keep(lua_State *L, const char *key)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)key);
	lua_insert(L, -2);
	lua_rawset(L, LUA_REGISTRYINDEX);
}

static void push_ffi(lua_State *L)
{
	luaL_findtable(L, LUA_REGISTRYINDEX, "_LOADED", 8);
	lua_getfield(L, -1, LUA_FFILIBNAME);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushcfunction(L, luaopen_ffi);
		lua_call(L, 0, 1);
		lua_pushvalue(L, -1);
		lua_setfield(L, -3, LUA_FFILIBNAME);
	}
	lua_remove(L, -2);
}

void fl_lua_int_open(lua_State *L)
{
	if (luaL_loadbuffer(L, source, sizeof source - 1, "=luaint.lua"))
		lua_error(L);
	push_ffi(L);
	lua_call(L, 1, 3);
	keep(L, &make_key);
	keep(L, &split_key);
	keep(L, &push_key);
}

void fl_lua_int_push(lua_State *L, int64_t bits, int is_unsigned)
{
	int negative = bits < 0 && !is_unsigned;
	uint64_t size = negative ? -(uint64_t)bits : (uint64_t)bits;
	if (size <= PLAIN) {
		lua_pushnumber(L, negative ? -(double)size : (double)size);
		return;
	}
	luaL_checkstack(L, 5, NULL);
	push_kept(L, &push_key);
	lua_pushnumber(L, (double)(size >> 32));
	lua_pushnumber(L, (double)(size & 0xffffffff));
	lua_pushboolean(L, negative);
	lua_call(L, 3, 1);
}

int fl_lua_int_get(lua_State *L, int idx, int64_t *bits, int *is_unsigned)
{
	if (lua_type(L, idx) != TYPE_CDATA)
		return 0;
	luaL_checkstack(L, 5, NULL);
	lua_pushvalue(L, idx);
	push_kept(L, &split_key);
	lua_insert(L, -2);
	lua_call(L, 1, 3);
	int is = !lua_isnil(L, -3);
	if (is) {
		uint64_t size = (uint64_t)lua_tonumber(L, -3) << 32 | (uint64_t)lua_tonumber(L, -2);
		int negative = lua_toboolean(L, -1);
		*bits = (int64_t)(negative ? -size : size);
		*is_unsigned = !negative && size > INT64_MAX;
	}
	lua_pop(L, 3);
	return is;
}

void fl_lua_int_make(lua_State *L) { push_kept(L, &make_key); }
