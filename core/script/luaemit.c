/* emit, emit_to and reject: records that a script makes, and where it said so. Called by prelude.lua. */
#include "inner.h"
#include "luajson.h"

/* The records of an event stand together at the end of the batch's list, so that undoing is forgetting them. */
static void emit(struct fl_script *sc, double to, struct fl_str key, struct fl_str value, struct fl_str headers)
{
	struct fl_shared *sh = &sc->sh;
	struct fl_events *ev = sc->ev;
	if (sc->emit_event != sh->event) {
		sc->emit_event = sh->event;
		sc->emit_from = ev->emits;
	}
	int inside = sc->phase == FL_PHASE_EVENTS;
	fl_events_emit(ev, inside ? (uint32_t)sh->row + 1 : ev->b.n, to < 0 ? FL_NO_STREAM : (uint32_t)to, key, value, headers,
		inside ? ev->b.time[sh->row] : sc->task->now);
}

static int too_much(lua_State *L)
{
	return fl_lua_raise(L, "this call of the script has emitted more than its memory may hold");
}

/* A key is a string, or a number as its text; nil is none. */
static struct fl_str key_at(lua_State *L, int idx)
{
	size_t n;
	int type = lua_type(L, idx);
	if (type == LUA_TNIL || type == LUA_TNONE)
		return (struct fl_str){0};
	if (type != LUA_TSTRING && type != LUA_TNUMBER)
		fl_lua_raise(L, "a record's key is a string; this is a %s", lua_typename(L, type));
	const char *p = lua_tolstring(L, idx, &n);
	return (struct fl_str){p, (uint32_t)n};
}

/* emit_event(stream, key): the present event as it stands, with its headers; its own key where none is given and it
 * stays in the pipeline. */
static int l_emit_event(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	struct fl_shared *sh = &sc->sh;
	char err[FL_ERRLEN];
	double to = lua_tonumber(L, 1);
	struct fl_str key = key_at(L, 2);
	if (!key.p && to < 0)
		key = sh->b->key[sh->row];
	sc->scratch.len = 0;
	if (fl_events_encode(sc->ev, sh->row, sc->ev->codec, &sc->scratch, err) < 0)
		return fl_lua_raise(L, "emit: %s", err);
	if (fl_lua_bytes(sc, sc->scratch.len + 64) < 0)
		return too_much(L);
	emit(sc, to, key, (struct fl_str){sc->scratch.p, (uint32_t)sc->scratch.len}, sh->b->headers[sh->row]);
	return 0;
}

/* emit(stream, value, key): a string is the record's bytes as they are, null none (a tombstone), anything else JSON. */
static int l_emit(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	char err[FL_ERRLEN];
	double to = lua_tonumber(L, 1);
	struct fl_str key = key_at(L, 3), value = {0};
	if (sc->phase == FL_PHASE_LOAD || !sc->ev)
		return fl_lua_raise(L, "emit: not in open, close and migrate");
	int type = lua_type(L, 2);
	if (type == LUA_TSTRING) {
		size_t n;
		value.p = lua_tolstring(L, 2, &n);
		value.len = (uint32_t)n;
	} else if (type == LUA_TLIGHTUSERDATA && to >= 0) {
		value.p = NULL;
	} else if (type == LUA_TNIL || type == LUA_TNONE) {
		return fl_lua_raise(L, "emit: there is no record (nil); a table, a text, or e");
	} else {
		sc->scratch.len = 0;
		if (fl_lua_json_add(L, 2, &sc->scratch, err) < 0)
			return fl_lua_raise(L, "emit: %s", err);
		value = (struct fl_str){sc->scratch.p, (uint32_t)sc->scratch.len};
	}
	if (fl_lua_bytes(sc, value.len + 64) < 0)
		return too_much(L);
	emit(sc, to, key, value, (struct fl_str){0});
	return 0;
}

/* reject(why) is called somewhere in the script and takes effect when it returns: here() keeps the place. */
static int l_here(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	if (!fl_lua_where(L, sc->at, sizeof sc->at))
		sc->at[0] = 0;
	return 0;
}

static int l_reject(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	size_t n;
	const char *p = lua_tolstring(L, 1, &n);
	fl_events_reject(sc->ev, sc->sh.row, sc->conf.name, fl_str(sc->at), (struct fl_str){p, (uint32_t)n});
	return 0;
}

static struct fl_script *of(struct fl_shared *sh) { return (struct fl_script *)sh; }

static void drop(struct fl_shared *sh, const char *p, uint32_t len)
{
	fl_events_drop(of(sh)->ev, sh->row, of(sh)->conf.name, (struct fl_str){p, len});
}

static void late(struct fl_shared *sh, uint32_t stream)
{
	fl_events_late(of(sh)->ev, sh->row, of(sh)->conf.name, stream);
}

static int32_t stream(struct fl_shared *sh, const char *p, uint32_t len)
{
	struct fl_script_conf *conf = &of(sh)->conf;
	uint32_t s = conf->stream ? conf->stream(conf->arg, (struct fl_str){p, len}) : FL_NO_STREAM;
	return s == FL_NO_STREAM ? -1 : (int32_t)s;
}

void fl_luaemit_open(struct fl_script *sc)
{
	static const luaL_Reg functions[] = {
		{"emit_event", l_emit_event}, {"emit", l_emit}, {"here", l_here}, {"reject", l_reject}, {NULL, NULL},
	};
	luaL_register(sc->L, NULL, functions);
	sc->sh.drop = drop;
	sc->sh.late = late;
	sc->sh.stream = stream;
}
