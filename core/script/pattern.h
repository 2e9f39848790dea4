/* Lua's string patterns with a limit to their steps. */
#ifndef FL_SCRIPT_PATTERN_H
#define FL_SCRIPT_PATTERN_H

#include <stdint.h>

#include <lua.h>

/* Puts find, match, gmatch and gsub into the table at the top of the stack. They give the same results and errors as
 * LuaJIT's own, and take their steps from *steps: one for each item tried, one for 16 bytes searched or written. Below
 * zero they raise "pattern took too many steps". The host refills *steps; it must live as long as L. */
void fl_pattern_open(lua_State *L, int64_t *steps);

#endif
