/* Runs a conf: a Lua state of its own with the plan's words and little else, a limit to its memory and one to its
 * steps, and the JIT off so that the limit holds everywhere. Called by read.c on the main thread. */
#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "../base/unit.h"
#include "private.h"

#define MEMORY ((size_t)32 << 20)
#define STEPS 10000  /* VM instructions between two calls of the hook */
#define TURNS 1000   /* of the hook */

/* No pcall: what stops a conf stops it. No patterns: they can run for hours in one step. */
static const char *const kept[] = {"assert", "error",    "ipairs",   "next", "pairs",
                                   "select", "tonumber", "tostring", "type", "unpack"};
static const char *const no_string[] = {"dump", "find", "gmatch", "gsub", "match"};
static const char *const no_math[] = {"random", "randomseed"};
static const char *const libraries[] = {"math", "string", "table"};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void *limited(void *arg, void *p, size_t old, size_t new)
{
	struct fl_reading *r = arg;
	if (!p)
		old = 0;
	if (new > old && r->memory + (new - old) > MEMORY)
		return NULL;
	void *q = NULL;
	if (new == 0)
		free(p);
	else if (!(q = realloc(p, new)))
		return NULL;
	r->memory = r->memory - old + new;
	return q;
}

static struct fl_reading *reading_of(lua_State *L)
{
	lua_getfield(L, LUA_REGISTRYINDEX, "reading");
	struct fl_reading *r = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return r;
}

static void l_hook(lua_State *L, lua_Debug *ar)
{
	struct fl_reading *r = reading_of(L);
	lua_getinfo(L, "l", ar);
	r->seen = ar->currentline;
	if (--r->turns > 0)
		return;
	fl_reading_fail(r, ar->currentline,
	                "the conf ran %d million steps and was stopped here: a conf only declares, so look for a "
	                "loop without an end",
	                TURNS / (1000000 / STEPS));
	luaL_error(L, "stopped");
}

static int current_line(lua_State *L)
{
	lua_Debug ar;
	int line = 0;
	for (int level = 1; line <= 0 && lua_getstack(L, level, &ar); level++)
		line = lua_getinfo(L, "l", &ar) ? ar.currentline : 0;
	return line;
}

static int l_unknown(lua_State *L)
{
	struct fl_reading *r = reading_of(L);
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?", *names[64];
	uint32_t n, words;
	const char *const *word = fl_words_names(&words);
	for (n = 0; n < words; n++)
		names[n] = word[n];
	for (size_t i = 0; i < COUNT(kept); i++)
		names[n++] = kept[i];
	for (size_t i = 0; i < COUNT(libraries); i++)
		names[n++] = libraries[i];
	const char *near = fl_nearest(name, names, n);
	fl_reading_fail(r, current_line(L),
	                "\"%s\" is nothing here: a conf has the words app, stream, source, pipeline, sink, web, plugin, "
	                "script, env, time, kafka, option and its own locals%s%s%s",
	                name, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return luaL_error(L, "stopped");
}

static int l_set(lua_State *L)
{
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
	fl_reading_fail(reading_of(L), current_line(L), "\"%s\" is set without local: write local %s = …", name, name);
	return luaL_error(L, "stopped");
}

/* The library at the top of the globals, without some of its functions, into the table at env. */
static void keep_library(lua_State *L, int env, const char *name, const char *const *without, size_t n)
{
	lua_getglobal(L, name);
	for (size_t i = 0; i < n; i++) {
		lua_pushnil(L);
		lua_setfield(L, -2, without[i]);
	}
	lua_setfield(L, env, name);
}

static int l_setup(lua_State *L)
{
	static const luaL_Reg open[] = {
		{"", luaopen_base}, {"table", luaopen_table}, {"string", luaopen_string}, {"math", luaopen_math}};
	struct fl_reading *r = lua_touserdata(L, 1);
	lua_settop(L, 0);
	for (size_t i = 0; i < COUNT(open); i++) {
		lua_pushcfunction(L, open[i].func);
		lua_pushstring(L, open[i].name);
		lua_call(L, 1, 0);
	}
	/* Out of reach for the conf; but a literal like 3LL damages a state in which ffi is not open. */
	lua_pushcfunction(L, luaopen_ffi);
	lua_call(L, 0, 0);
	luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
	lua_pushlightuserdata(L, r);
	lua_setfield(L, LUA_REGISTRYINDEX, "reading");
	lua_newtable(L); /* 1: what the conf can see */
	for (size_t i = 0; i < COUNT(kept); i++) {
		lua_getglobal(L, kept[i]);
		lua_setfield(L, 1, kept[i]);
	}
	keep_library(L, 1, "table", NULL, 0);
	keep_library(L, 1, "string", no_string, COUNT(no_string));
	keep_library(L, 1, "math", no_math, COUNT(no_math));
	fl_words_open(L, r);
	/* The globals are an empty table over it: setting one is an error, and so is reading what is not there. */
	lua_newtable(L); /* 2 */
	lua_pushcfunction(L, l_unknown);
	lua_setfield(L, 2, "__index");
	lua_pushvalue(L, 2);
	lua_setmetatable(L, 1);
	lua_newtable(L); /* 3: the globals */
	lua_newtable(L); /* 4 */
	lua_pushvalue(L, 1);
	lua_setfield(L, 4, "__index");
	lua_pushcfunction(L, l_set);
	lua_setfield(L, 4, "__newindex");
	lua_setmetatable(L, 3);
	if (luaL_loadbufferx(L, r->text.p, r->text.len, "=conf", "t") != 0)
		return lua_error(L);
	lua_pushvalue(L, 3);
	lua_setfenv(L, -2);
	lua_sethook(L, l_hook, LUA_MASKCOUNT, STEPS);
	lua_call(L, 0, 0);
	return 0;
}

/* Lua's own message is "conf:12: …": the file's name takes the place of its first word. */
static void explain(struct fl_reading *r, const char *msg, int status)
{
	int line = 1;
	if (status == LUA_ERRMEM) {
		fl_reading_fail(r, r->seen, "about here the conf takes more than the %zu MiB of memory that it may have",
		                MEMORY >> 20);
		return;
	}
	if (msg && strncmp(msg, "conf:", 5) == 0) {
		char *end;
		line = (int)strtol(msg + 5, &end, 10);
		msg = end + strspn(end, ": ");
	}
	fl_reading_fail(r, line, "%s", msg ? msg : "the conf raised an error that is not a text");
}

int fl_sandbox_run(struct fl_reading *r)
{
	r->turns = TURNS;
	lua_State *L = lua_newstate(limited, r);
	if (!L)
		return fl_reading_fail(r, 1, "there is no memory for a Lua state");
	int status = lua_cpcall(L, l_setup, r);
	if (status != 0)
		explain(r, lua_tostring(L, -1), status);
	lua_close(L);
	return status == 0 && !r->failed ? 0 : -1;
}
