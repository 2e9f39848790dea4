/* Integers beyond 2^53 in Lua: an exact value of its own type. */
#ifndef FL_SCRIPT_LUAINT_H
#define FL_SCRIPT_LUAINT_H

#include <stdint.h>

#include <lua.h>

/* Makes the type known to L; once a state, before any function below, after the libraries base and string. Opens LuaJIT's ffi where no one has before
 * (it is then found in the registry's _LOADED.ffi; never call luaopen_ffi a second time on a state). */
void fl_lua_int_open(lua_State *L);

/* Pushes an integer exactly: a plain number up to 2^53, else a value of the type. May raise (memory). */
void fl_lua_int_push(lua_State *L, int64_t bits, int is_unsigned);

/* 1: the value at idx is one of the type (or Lua's own 1LL, 1ULL): *bits and *is_unsigned (only uint64_t holds it). 0: it is
 * something else, plain numbers included. */
int fl_lua_int_get(lua_State *L, int idx, int64_t *bits, int *is_unsigned);

/* Pushes the function json.int: makes one of a string of digits or a whole number, raises on anything else. */
void fl_lua_int_make(lua_State *L);

#endif
