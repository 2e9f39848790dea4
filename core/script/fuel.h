/* Fuel: a count in every loop and function of a script, so that one that never ends is stopped at its own line, with
 * the JIT compiler on, through pcall, coroutines and metamethods. */
#ifndef FL_SCRIPT_FUEL_H
#define FL_SCRIPT_FUEL_H

#include <lua.h>

#include "../base/err.h"

/* The chunk  local __n,__a=0,nil return function(...) <src with counts> \nend  , to be freed, *outlen bytes. Each
 * count is  __n=__n-1 if __n<0 then __a() end ; line numbers stay as they were. src has been compiled alone before, so
 * its syntax is valid. (Compile nothing in a state whose ffi is not open: LuaJIT opens it by itself at a literal like 3LL,
 * which corrupts its memory.) Run with no arguments, the chunk returns the script's own main function, not yet called.
 * NULL: err says why, with the line ("12: …"). */
char *fl_fuel_rewrite(const char *src, size_t len, size_t *outlen, char *err);

/* Lua refused to compile a rewritten text whose source it had taken; msg is its message ("name:12: …"), which the
 * counts' room explains. Puts the sentence for the author into err and returns -1. */
int fl_fuel_explain(const char *msg, char *err);

/* Makes the main function at chunk count with the variables __n and __a of the Lua function at meter (which must use
 * both), instead of its own. Before its first call; all functions made by it then share them. */
void fl_fuel_join(lua_State *L, int chunk, int meter);

#endif
