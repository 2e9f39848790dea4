/* The Lua files of this layer as texts in the binary. Read by sandbox.c. */
#include "inner.h"

const char fl_lua_prelude[] =
#include "core/script/prelude.lua.h"
;

const char fl_lua_sandbox[] =
#include "core/script/sandbox.lua.h"
;

const char fl_lua_luastate[] =
#include "core/script/luastate.lua.h"
;
