/* A script's life: read, opened, closed. Called by run/ on the thread of the worker that has it, or of the one that
 * reloads. */
#include "script.h"

#include <math.h>
#include <stdlib.h>

#include <lualib.h>

#include "../base/log.h"
#include "inner.h"

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void push_value(lua_State *L, const struct fl_value *v)
{
	luaL_checkstack(L, 8, "the options are nested too deep");
	switch (v->kind) {
	case FL_V_BOOL: lua_pushboolean(L, v->number != 0); return;
	case FL_V_NUMBER: lua_pushnumber(L, v->number); return;
	case FL_V_STRING:
	case FL_V_STREAM:
	case FL_V_WORD: lua_pushstring(L, v->text); return;
	case FL_V_LIST:
	case FL_V_MAP:
		lua_createtable(L, v->kind == FL_V_LIST ? (int)v->n : 0, v->kind == FL_V_MAP ? (int)v->n : 0);
		for (uint32_t k = 0; k < v->n; k++) {
			push_value(L, &v->item[k]);
			if (v->kind == FL_V_MAP)
				lua_setfield(L, -2, v->item[k].name);
			else
				lua_rawseti(L, -2, (int)k + 1);
		}
		return;
	case FL_V_NIL: break;
	}
	lua_pushnil(L);
}

static int l_options(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	if (sc->conf.opts && sc->conf.opts->kind != FL_V_NIL)
		push_value(L, sc->conf.opts);
	else
		lua_newtable(L);
	return 1;
}

void fl_script_lua(struct fl_script *sc, enum fl_phase phase)
{
	sc->phase = phase;
	sc->sh.trouble = 0;
	lua_settop(sc->L, 0);
}

void fl_script_push(struct fl_script *sc, enum fl_entry entry) { lua_rawgeti(sc->L, LUA_REGISTRYINDEX,
	sc->entry[entry]); }

int fl_script_raised(struct fl_script *sc, char *err)
{
	size_t at = strlen(sc->at);
	if (sc->text.len < at || memcmp(sc->text.p, sc->at, at) != 0)
		return fl_err(err, "%s: %.*s", sc->at, (int)sc->text.len, sc->text.p);
	return fl_err(err, "%.*s", (int)sc->text.len, sc->text.p);
}

/* A function of the script at the top of the stack: its place in the registry, LUA_NOREF where it is nil. */
static int take_function(struct fl_script *sc, const char *name, int *ref, char *err)
{
	lua_State *L = sc->L;
	*ref = LUA_NOREF;
	if (lua_isfunction(L, -1))
		*ref = luaL_ref(L, LUA_REGISTRYINDEX);
	else if (lua_isnil(L, -1))
		lua_pop(L, 1);
	else
		return fl_err(err, "%s: %s is a %s; it must be a function", sc->conf.name, name, luaL_typename(L, -1));
	return 0;
}

static int take_version(struct fl_script *sc, char *err)
{
	size_t n;
	int type = lua_type(sc->L, -1);
	sc->has_version = type != LUA_TNIL;
	if (type == LUA_TNUMBER || type == LUA_TSTRING) {
		const char *p = lua_tolstring(sc->L, -1, &n);
		if (n < sizeof sc->version) {
			memcpy(sc->version, p, n + 1);
			lua_pop(sc->L, 1);
			return 0;
		}
	} else if (type == LUA_TNIL) {
		lua_pop(sc->L, 1);
		return 0;
	}
	return fl_err(err, "%s: version is a %s; it must be a number or a short string", sc->conf.name, lua_typename(sc->L,
		type));
}

static int take_functions(struct fl_script *sc, char *err)
{
	int transform = LUA_NOREF, route = LUA_NOREF;
	fl_script_push(sc, FL_IN_READY);
	if (fl_lua_call(sc, 0, 7) < 0)
		return fl_script_raised(sc, err);
	if (take_version(sc, err) < 0 || take_function(sc, "migrate", &sc->migrate, err) < 0 ||
	    take_function(sc, "close", &sc->end, err) < 0 || take_function(sc, "tick", &sc->tick, err) < 0 ||
	    take_function(sc, "route", &route, err) < 0 || take_function(sc, "generate", &sc->generate, err) < 0 ||
	    take_function(sc, "transform", &transform, err) < 0)
		return -1;
	sc->has = (transform != LUA_NOREF ? FL_HAS_TRANSFORM : 0) | (sc->generate != LUA_NOREF ? FL_HAS_GENERATE : 0) |
	          (route != LUA_NOREF ? FL_HAS_ROUTE : 0) | (sc->tick != LUA_NOREF ? FL_HAS_TICK : 0);
	if (!sc->has)
		return fl_err(err, "%s defines none of transform, generate, route, tick; it must define one as a global function",
			sc->conf.name);
	fl_script_push(sc, FL_IN_MAKE_RUN);
	lua_rawgeti(sc->L, LUA_REGISTRYINDEX, transform);
	lua_rawgeti(sc->L, LUA_REGISTRYINDEX, route);
	if (fl_lua_call(sc, 2, 1) < 0)
		return fl_script_raised(sc, err);
	sc->run = luaL_ref(sc->L, LUA_REGISTRYINDEX);
	return 0;
}

static int call_open(struct fl_script *sc, char *err)
{
	fl_script_push(sc, FL_IN_OPENER);
	if (fl_lua_call(sc, 0, 1) < 0)
		return fl_script_raised(sc, err);
	int open;
	if (take_function(sc, "open", &open, err) < 0)
		return -1;
	if (open == LUA_NOREF)
		return 0;
	lua_pushcfunction(sc->L, l_options);
	if (fl_lua_call(sc, 0, 1) < 0)
		return fl_script_raised(sc, err);
	int options = luaL_ref(sc->L, LUA_REGISTRYINDEX);
	fl_script_push(sc, FL_IN_CALL);
	lua_rawgeti(sc->L, LUA_REGISTRYINDEX, open);
	lua_pushnumber(sc->L, NAN);
	lua_rawgeti(sc->L, LUA_REGISTRYINDEX, options);
	return fl_lua_call(sc, 3, 0) < 0 ? fl_script_raised(sc, err) : 0;
}

struct load {
	struct fl_script *sc;
	char *err;
	int rc;
};

static int l_load_main(lua_State *L)
{
	struct load *l = lua_touserdata(L, 1);
	l->rc = fl_sandbox_load(l->sc, L, l->sc->conf.path, l->sc->conf.name, l->err);
	return l->rc < 0 ? 0 : 1;
}

static void drop_files(struct fl_script *sc)
{
	for (uint32_t k = 0; k < sc->files; k++)
		free(sc->file[k]);
	sc->files = 0;
}

/* The lua_State with the script in it, opened. */
int fl_script_build(struct fl_script *sc, char *err)
{
	struct load l = {sc, err, 0};
	sc->used = sc->volume = 0;
	sc->sh.steps = sc->conf.fuel;
	sc->metrics = 0;
	sc->fields = NULL;
	sc->task = NULL;
	sc->sh.cached = 0;
	drop_files(sc);
	if (fl_sandbox_open(sc, err) < 0)
		return -1;
	fl_script_lua(sc, FL_PHASE_LOAD);
	lua_pushcfunction(sc->L, l_load_main);
	lua_pushlightuserdata(sc->L, &l);
	if (fl_lua_call(sc, 1, 1) < 0)
		return fl_script_raised(sc, err);
	if (l.rc < 0)
		return -1;
	int main = luaL_ref(sc->L, LUA_REGISTRYINDEX);
	fl_script_push(sc, FL_IN_CALL);
	lua_rawgeti(sc->L, LUA_REGISTRYINDEX, main);
	lua_pushnumber(sc->L, NAN);
	if (fl_lua_call(sc, 2, 0) < 0)
		return fl_script_raised(sc, err);
	if (call_open(sc, err) < 0)
		return -1;
	return take_functions(sc, err);
}

static char *keep_text(const char *text) { return text ? fl_strdup(text) : NULL; }

void fl_script_drop(struct fl_script *sc)
{
	if (sc->main)
		lua_close(sc->main);
	fl_pool_free(&sc->pool);
	sc->main = sc->L = sc->spare = NULL;
}

static void release(struct fl_script *sc)
{
	fl_script_drop(sc);
	drop_files(sc);
	for (uint32_t c = 0; c < sc->columns; c++)
		free((char *)sc->field[c].p);
	for (uint32_t k = 0; k < sc->stores; k++)
		free(sc->store[k].name);
	free(sc->file);
	free((char *)sc->conf.path);
	free((char *)sc->conf.name);
	free((char *)sc->conf.lib);
	free((char *)sc->conf.who);
	free((char *)sc->conf.labels);
	fl_buf_free(&sc->scratch);
	fl_buf_free(&sc->text);
	fl_buf_free(&sc->trace);
	fl_buf_free(&sc->unwritten);
	free(sc);
}

struct fl_script *fl_script_open(const struct fl_script_conf *conf, char *err)
{
	struct fl_script *sc = fl_alloc(sizeof *sc);
	sc->conf = *conf;
	sc->conf.path = keep_text(conf->path);
	sc->conf.name = keep_text(conf->name);
	sc->conf.lib = keep_text(conf->lib);
	sc->conf.who = keep_text(conf->who);
	sc->conf.labels = keep_text(conf->labels);
	if (!sc->conf.fuel)
		sc->conf.fuel = 10000000;
	sc->cap = conf->memory ? conf->memory : (size_t)64 << 20;
	if (fl_script_build(sc, err) == 0)
		return sc;
	release(sc);
	return NULL;
}

void fl_script_close(struct fl_script *sc)
{
	char err[FL_ERRLEN];
	if (!sc)
		return;
	FL_ASSERT(!sc->tasks);
	if (sc->L && sc->end != LUA_NOREF) {
		fl_script_lua(sc, FL_PHASE_LOAD);
		fl_script_push(sc, FL_IN_CALL);
		lua_rawgeti(sc->L, LUA_REGISTRYINDEX, sc->end);
		lua_pushnumber(sc->L, NAN);
		if (fl_lua_call(sc, 2, 0) < 0) {
			fl_script_raised(sc, err);
			fl_log(FL_WARN, sc->conf.who, "close() failed: %s", err);
		}
	}
	release(sc);
}

uint32_t fl_script_has(const struct fl_script *sc) { return sc->has; }
size_t fl_script_memory(const struct fl_script *sc) { return sc->used; }

uint32_t fl_script_files(const struct fl_script *sc, const char *const **paths)
{
	*paths = (const char *const *)sc->file;
	return sc->files;
}
