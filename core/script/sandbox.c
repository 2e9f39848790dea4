/* The lua_State of a script: its libraries, the host's own Lua in it, and files loaded into the sandbox. Called by
 * script.c and require.c on the thread that opens the script. */
#include <stdlib.h>

#include <lualib.h>

#include "fuel.h"
#include "inner.h"
#include "luaint.h"
#include "luajson.h"
#include "pattern.h"

#define FILE_MAX_BYTES ((long)4 << 20)

int luaopen_cjson(lua_State *L);

static void open_library(lua_State *L, const char *name, lua_CFunction open)
{
	lua_pushcfunction(L, open);
	lua_pushstring(L, name);
	lua_call(L, 1, 0);
}

static void open_libraries(struct fl_script *sc)
{
	lua_State *L = sc->L;
	open_library(L, "", luaopen_base);
	open_library(L, LUA_TABLIBNAME, luaopen_table);
	open_library(L, LUA_STRLIBNAME, luaopen_string);
	open_library(L, LUA_MATHLIBNAME, luaopen_math);
	open_library(L, LUA_BITLIBNAME, luaopen_bit);
	open_library(L, LUA_JITLIBNAME, luaopen_jit); /* turns the compiler on */
	fl_lua_int_open(L);
	lua_getglobal(L, LUA_STRLIBNAME);
	fl_pattern_open(L, &sc->sh.steps);
	lua_pop(L, 1);
	lua_pushcfunction(L, luaopen_cjson);
	lua_call(L, 0, 1);
	lua_setglobal(L, "cjson");
}

static void set_number(lua_State *L, const char *name, double v)
{
	lua_pushnumber(L, v);
	lua_setfield(L, -2, name);
}

/* The table that the host's Lua files share, left on the stack. */
static void make_host(struct fl_script *sc)
{
	lua_State *L = sc->L;
	lua_newtable(L);
	lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
	lua_getfield(L, -1, "ffi");
	lua_setfield(L, -3, "ffi");
	lua_pop(L, 1);
	lua_getfield(L, LUA_REGISTRYINDEX, "_PRELOAD");
	lua_getfield(L, -1, "table.new");
	lua_call(L, 0, 1);
	lua_setfield(L, -3, "table_new");
	lua_pop(L, 1);
	lua_pushlightuserdata(L, &sc->sh);
	lua_setfield(L, -2, "shared");
	lua_pushvalue(L, LUA_GLOBALSINDEX);
	lua_setfield(L, -2, "base");
	lua_pushfstring(L, "%d MiB", (int)(sc->cap >> 20));
	lua_setfield(L, -2, "memory_text");
	set_number(L, "memory", (double)sc->cap);
	set_number(L, "fuel", (double)sc->conf.fuel);
	set_number(L, "sizeof_shared", sizeof(struct fl_shared));
	set_number(L, "sizeof_batch", sizeof(struct fl_batch));
	set_number(L, "sizeof_column", sizeof(struct fl_column));
	fl_luacell_open(sc);
	fl_luaemit_open(sc);
	fl_luastate_open(sc);
	fl_hostlib_open(sc);
	fl_require_open(sc);
}

/* One of the host's Lua files, with the host table (on top of the stack) as its argument. */
static void run_own(lua_State *L, const char *text, const char *name)
{
	if (luaL_loadbuffer(L, text, strlen(text), name) != 0)
		lua_error(L);
	lua_pushvalue(L, -2);
	lua_call(L, 1, 0);
}

static int keep(lua_State *L, const char *name)
{
	lua_getfield(L, -1, name);
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

static int l_open(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	static const char *const names[FL_ENTRIES] = {
		[FL_IN_CALL] = "call", [FL_IN_TIMED] = "timed", [FL_IN_UNDO] = "undo", [FL_IN_FORGET] = "forget",
			[FL_IN_TASK] = "task",
		[FL_IN_END_TASK] = "end_task", [FL_IN_FLUSH] = "flush", [FL_IN_READY] = "ready", [FL_IN_OPENER] = "opener",
		[FL_IN_MAKE_RUN] = "make_run",
	};
	open_libraries(sc);
	make_host(sc);
	run_own(L, fl_lua_prelude, "=prelude");
	run_own(L, fl_lua_luastate, "=state");
	run_own(L, fl_lua_sandbox, "=sandbox");
	for (int k = 0; k < FL_ENTRIES; k++)
		sc->entry[k] = keep(L, names[k]);
	sc->meter = keep(L, "meter");
	sc->env = keep(L, "env");
	sc->spare = lua_newthread(L);
	luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

int fl_sandbox_open(struct fl_script *sc, char *err)
{
	sc->L = sc->main = lua_newstate(fl_script_alloc, sc);
	if (!sc->L)
		return fl_err(err, "a lua_State can't be made");
	lua_pushcfunction(sc->L, l_open);
	if (lua_pcall(sc->L, 0, 0, 0) != 0)
		return fl_err(err, "a script's surroundings can't be made: %s", lua_tostring(sc->L, -1));
	if (sc->used > sc->cap)
		return fl_err(err, "the memory cap of %zu bytes is too small: %zu are used before the script is loaded", sc->cap,
			sc->used);
	return 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static char *read_file(const char *path, size_t *len, char *err)
{
	char *text = NULL;
	FILE *f = fopen(path, "rb");
	if (!f) {
		fl_err(err, "%s can't be read: %m", path);
		return NULL;
	}
	text = fl_realloc(NULL, (size_t)FILE_MAX_BYTES + 1);
	*len = fread(text, 1, (size_t)FILE_MAX_BYTES + 1, f);
	if (ferror(f) || *len > (size_t)FILE_MAX_BYTES) {
		fl_err(err, ferror(f) ? "%s can't be read: %m" : "%s is larger than 4 MiB, which no script is", path);
		free(text);
		text = NULL;
	}
	fclose(f);
	return text;
}

static void note_file(struct fl_script *sc, const char *path)
{
	for (uint32_t k = 0; k < sc->files; k++)
		if (strcmp(sc->file[k], path) == 0)
			return;
	sc->file = fl_realloc(sc->file, (sc->files + 1) * sizeof *sc->file);
	sc->file[sc->files++] = fl_strdup(path);
}

int fl_sandbox_load(struct fl_script *sc, lua_State *L, const char *path, const char *name, char *err)
{
	char *text = NULL, *counted = NULL, chunk[300], why[FL_ERRLEN];
	size_t len, counted_len;
	int rc = -1;
	note_file(sc, path);
	snprintf(chunk, sizeof chunk, "@%s", name);
	if (!(text = read_file(path, &len, err)))
		goto out;
	if (len && *text == *LUA_SIGNATURE) {
		fl_err(err, "%s is compiled Lua; a script is a text", name);
		goto out;
	}
	if (luaL_loadbufferx(L, text, len, chunk, "t") != 0) {
		fl_err(err, "%s", lua_tostring(L, -1));
		goto out;
	}
	lua_pop(L, 1);
	if (!(counted = fl_fuel_rewrite(text, len, &counted_len, why))) {
		fl_err(err, "%s:%s", name, why);
		goto out;
	}
	if (luaL_loadbufferx(L, counted, counted_len, chunk, "t") != 0) {
		fl_fuel_explain(lua_tostring(L, -1), err);
		goto out;
	}
	rc = 0;
out:
	free(text);
	free(counted);
	if (rc < 0)
		return -1;
	lua_call(L, 0, 1); /* makes the main function, runs nothing of the script */
	lua_rawgeti(L, LUA_REGISTRYINDEX, sc->meter);
	fl_fuel_join(L, -2, -1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, sc->env);
	lua_setfenv(L, -3);
	lua_pop(L, 1);
	return 0;
}
