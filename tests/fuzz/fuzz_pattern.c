/* The pattern matcher on random patterns and subjects: no byte outside is touched, it ends, and where LuaJIT's own ends
 * too (short subjects), both say the same. Input: a byte with the pattern's length, the pattern, the subject. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "script/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t steps;

static lua_State *new_state(void)
{
	static const char src[] =
		"local function all(lib, s, p)\n"
		"  local function text(ok, ...) local t = {tostring(ok)} for i = 1, select('#', ...) do t[i + 1] = tostring((select(i, ...))) end return table.concat(t, '|') end\n"
		"  local function each(s, p) local t = {} for a, b in lib.gmatch(s, p) do t[#t + 1] = tostring(a) .. ',' .. tostring(b) end return table.concat(t, ';') end\n"
		"  return text(pcall(lib.find, s, p)), text(pcall(lib.find, s, p, 2, true)), text(pcall(lib.match, s, p, 2)), text(pcall(each, s, p)), text(pcall(lib.gsub, s, p, '<%0%1>'))\n"
		"end\n"
		"return function(s, p)\n"
		"  local got = table.concat({all(ours, s, p)}, '\\n')\n"
		"  if not got:find('too many steps', 1, true) then\n"
		"    local want = table.concat({all(string, s, p)}, '\\n')\n"
		"    if want ~= got then error(('%q with %q\\nwant %s\\ngot %s'):format(s, p, want, got), 0) end\n"
		"  end\n"
		"end";
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	lua_newtable(L);
	fl_pattern_open(L, &steps);
	lua_setglobal(L, "ours");
	if (luaL_dostring(L, src))
		abort();
	return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static lua_State *L;
	if (size == 0)
		return 0;
	if (!L)
		L = new_state();
	size_t len = data[0] % 64u < size - 1 ? data[0] % 64u : size - 1;
	steps = 200000;
	lua_pushvalue(L, -1);
	lua_pushlstring(L, (const char *)data + 1 + len, size - 1 - len);
	lua_pushlstring(L, (const char *)data + 1, len);
	if (lua_pcall(L, 2, 0, 0)) {
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		abort();
	}
	return 0;
}
