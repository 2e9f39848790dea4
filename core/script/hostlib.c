/* log, metric, json and cjson of scripts: the C side. The Lua side is sandbox.lua. */
#include <stdlib.h>

#include "../base/log.h"
#include "../base/metric.h"
#include "inner.h"
#include "luajson.h"

int luaopen_cjson(lua_State *L);

#define METRICS_MAX 100 /* names of counters in one script */

/* log(level, text) */
static int l_log(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	size_t n;
	const char *p = lua_tolstring(L, 2, &n);
	int shown = n > 2000 ? 2000 : (int)n;
	sc->scratch.len = 0;
	fl_buf_add(&sc->scratch, p, (size_t)shown);
	for (int k = 0; k < shown; k++)
		if ((uint8_t)sc->scratch.p[k] < ' ')
			sc->scratch.p[k] = ' ';
	fl_log((enum fl_level)lua_tointeger(L, 1), sc->conf.who ? sc->conf.who : sc->conf.name, "%.*s", shown,
		shown ? sc->scratch.p : "");
	return 0;
}

static int good_name(const char *p)
{
	size_t n = strlen(p);
	return n > 0 && n <= 60 && strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

/* The value of a label, with what the exposition format escapes escaped. */
static void add_label(struct fl_buf *to, const char *p, size_t n)
{
	for (size_t k = 0; k < n && k < 200; k++) {
		if (p[k] == '"' || p[k] == '\\')
			fl_buf_byte(to, '\\');
		fl_buf_byte(to, (uint8_t)p[k] < ' ' ? ' ' : p[k]);
	}
}

/* counter(name, label): the counter fairlead_script_<name>_total as a pointer. */
static int l_counter(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	const char *name = lua_tostring(L, 1);
	if (!good_name(name))
		return fl_lua_raise(L, "metric.count: a name has small letters, digits and '_'; found \"%s\"", name);
	lua_getfield(L, LUA_REGISTRYINDEX, "fl.metrics");
	lua_getfield(L, -1, name);
	if (lua_isnil(L, -1)) {
		if (sc->metrics == METRICS_MAX)
			return fl_lua_raise(L, "metric.count: a script may have %d counters; use the label for what varies", METRICS_MAX);
		sc->metrics++;
		lua_pushboolean(L, 1);
		lua_setfield(L, -3, name);
	}
	struct fl_buf *b = &sc->scratch;
	b->len = 0;
	fl_buf_printf(b, "fairlead_script_%s_total", name);
	fl_buf_byte(b, 0);
	size_t labels = b->len;
	fl_buf_printf(b, "%s", sc->conf.labels ? sc->conf.labels : "");
	if (!lua_isnoneornil(L, 2)) {
		size_t n;
		const char *label = lua_tolstring(L, 2, &n);
		fl_buf_printf(b, "%slabel=\"", b->len > labels ? "," : "");
		add_label(b, label, n);
		fl_buf_byte(b, '"');
	}
	fl_buf_byte(b, 0);
	lua_pushlightuserdata(L, fl_metric_get(b->p, b->p + labels, "Counted by a script."));
	return 1;
}

static void count(void *metric, double n) { fl_metric_add(metric, (uint64_t)n); }

static int l_raise(lua_State *L) { return fl_lua_raise(L, "%s", lua_tostring(L, 1)); }

void fl_hostlib_open(struct fl_script *sc)
{
	lua_State *L = sc->L;
	static const luaL_Reg functions[] = {
		{"log", l_log}, {"counter", l_counter}, {"raise", l_raise}, {"exhausted", fl_lua_exhausted}, {NULL, NULL},
	};
	luaL_register(L, NULL, functions);
	sc->sh.count = count;
	lua_newtable(L);
	lua_setfield(L, LUA_REGISTRYINDEX, "fl.metrics");
	lua_newtable(L);
	fl_lua_json_open(L);
	lua_setfield(L, -2, "json");
	fl_lua_null(L);
	lua_setfield(L, -2, "null");
	lua_newtable(L);
	fl_lua_array(L, -1);
	lua_getmetatable(L, -1);
	lua_setfield(L, -3, "array_mark");
	lua_setfield(L, -2, "an_array");
}
