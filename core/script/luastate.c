/* Stores under a script's state "name": what luastate.lua asks for of the present task's. On the script's thread. */
#include <stdio.h>
#include <stdlib.h>

#include "../base/log.h"
#include "../base/unit.h"
#include "../event/number.h"
#include "inner.h"
#include "luajson.h"

#define PAGE_KEYS 256
#define PAGE_BYTES ((size_t)1 << 20)

static struct fl_store *open_store(struct fl_script_task *t, const char *name, double ttl, char *err)
{
	if (!t->state) {
		fl_err(err, "there is no state here");
		return NULL;
	}
	char *full = fl_printf("%s.%s", t->prefix, name);
	struct fl_store *s = fl_state_store(t->state, full, ttl, err);
	free(full);
	return s;
}

/* The host's own notes of a task: the version that wrote its stores, and how often generate() was called. */
struct fl_store *fl_luastate_own(struct fl_script_task *t, char *err)
{
	if (!t->own)
		t->own = open_store(t, "_script", 0, err);
	return t->own;
}

/* Scripts of one pipeline share the store: each has its own keys. */
static struct fl_str note_key(struct fl_script_task *t, const char *what)
{
	struct fl_buf *b = &t->sc->scratch;
	b->len = 0;
	fl_buf_printf(b, "%s %s", what, t->sc->conf.name);
	return (struct fl_str){b->p, (uint32_t)(b->len < FL_KEY_MAX ? b->len : FL_KEY_MAX)};
}

const void *fl_luastate_note(struct fl_script_task *t, const char *what, uint32_t *len)
{
	struct fl_str key = note_key(t, what);
	return fl_store_get(t->own, key, fl_key_hash(key), len);
}

void fl_luastate_keep(struct fl_script_task *t, const char *what, const char *text)
{
	struct fl_str key = note_key(t, what);
	fl_store_put(t->own, key, fl_key_hash(key), text, (uint32_t)strlen(text));
}

struct fl_store *fl_luastate_store(struct fl_script_task *t, uint32_t id, char *err)
{
	if (!t->store[id])
		t->store[id] = open_store(t, t->sc->store[id].name, t->sc->store[id].ttl, err);
	return t->store[id];
}

/* The present task's store; raises where it can't be had. */
static struct fl_store *store_at(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	uint32_t id = (uint32_t)lua_tonumber(L, 1);
	char err[FL_ERRLEN];
	struct fl_store *s = fl_luastate_store(sc->task, id, err);
	if (!s)
		fl_lua_raise(L, "state \"%s\": %s", sc->store[id].name, err);
	return s;
}

static struct fl_str string_at(lua_State *L, int idx)
{
	size_t n;
	const char *p = lua_tolstring(L, idx, &n);
	return (struct fl_str){p, (uint32_t)n};
}

static int good_name(struct fl_str s)
{
	if (s.len == 0 || s.len > 64 || *s.p == '_' || *s.p == '.')
		return 0;
	for (uint32_t k = 0; k < s.len; k++) {
		char c = s.p[k];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
			return 0;
	}
	return 1;
}

const char *fl_script_store(const struct fl_script *sc, uint32_t k) { return k < sc->stores ? sc->store[k].name : NULL; }

/* store(name, ttl): its number, the same each time. */
static int l_store(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	struct fl_str name = string_at(L, 1);
	double ttl = lua_tonumber(L, 2);
	if (!sc->conf.stores)
		return fl_lua_raise(L, "state \"%s\": there is no state here, only in pipelines and sources", name.p);
	if (!good_name(name))
		return fl_lua_raise(L, "state \"%s\": a store's name has 1 to 64 letters, digits, '.', '_' and '-', "
			"and begins with a letter or digit", name.p);
	uint32_t id = 0;
	while (id < sc->stores && strcmp(sc->store[id].name, name.p) != 0)
		id++;
	if (id == FL_STORES_MAX)
		return fl_lua_raise(L, "state \"%s\": a script may have %d stores", name.p, FL_STORES_MAX);
	if (id == sc->stores) {
		sc->store[id].name = fl_strdup(name.p);
		sc->store[id].ttl = ttl;
		sc->stores++;
	}
	sc->ttl |= ttl > 0;
	lua_pushnumber(L, id);
	return 1;
}

static int l_duration(lua_State *L)
{
	double s;
	if (lua_type(L, 1) == LUA_TNUMBER)
		s = lua_tonumber(L, 1);
	else if (lua_type(L, 1) != LUA_TSTRING || fl_duration(lua_tostring(L, 1), &s) < 0)
		return fl_lua_raise(L, "ttl is a duration: \"30s\", \"5m\", \"1h\", \"7d\"");
	if (!(s >= 0 && s < 1e11))
		return fl_lua_raise(L, "ttl is a duration of 0 or more seconds");
	lua_pushnumber(L, s);
	return 1;
}

static int push(lua_State *L, struct fl_str text)
{
	char err[FL_ERRLEN];
	if (fl_lua_json_push(L, text, err) < 0)
		return fl_lua_raise(L, "a value of the store is damaged: %s", err);
	return 1;
}

/* For compiled code, what most keys have: 0 nothing, 1 a number in sh->num, 2 any JSON text in sh->out; -1: ask again by
 * load_value, which can raise. */
static int32_t load(struct fl_shared *sh, uint32_t id, const char *p, uint32_t len)
{
	struct fl_script *sc = (struct fl_script *)sh;
	struct fl_str key = {p, len};
	uint32_t n;
	int64_t bits;
	int is_unsigned;
	if (!sc->task->store[id])
		return -1;
	const char *value = fl_store_get(sc->task->store[id], key, fl_key_hash(key), &n);
	if (!value)
		return 0;
	if (n && *value <= '9' && fl_number_read(value, n, &sh->num, &bits, &is_unsigned) == 1)
		return 1;
	sh->out = (struct fl_str){value, n};
	return 2;
}

static int l_load_value(lua_State *L)
{
	struct fl_store *s = store_at(L);
	struct fl_str key = string_at(L, 2);
	uint32_t len;
	const void *value = fl_store_get(s, key, fl_key_hash(key), &len);
	if (!value)
		return 0;
	return push(L, (struct fl_str){value, len});
}

static int l_decode_text(lua_State *L) { return push(L, string_at(L, 1)); }

/* put(id, key, value): part of a flush. A value that can't be written is noted, and the flush goes on. */
static int l_put(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	struct fl_store *s = store_at(L);
	struct fl_str key = string_at(L, 2);
	char err[FL_ERRLEN];
	sc->scratch.len = 0;
	if (fl_lua_json_add(L, 3, &sc->scratch, err) < 0) {
		if (!sc->unwritten.len)
			fl_buf_printf(&sc->unwritten, "%s: key %.*s: %s", fl_store_name(s), (int)key.len, key.p, err);
		return 0;
	}
	fl_store_put(s, key, fl_key_hash(key), sc->scratch.p, (uint32_t)sc->scratch.len);
	return 0;
}

static int l_delete(lua_State *L)
{
	struct fl_store *s = store_at(L);
	struct fl_str key = string_at(L, 2);
	fl_store_del(s, key, fl_key_hash(key));
	return 0;
}

/* ---- range ------------------------------------------------------------------------------------------------------ */

struct page {
	struct fl_buf *bytes;
	uint32_t n;
	uint32_t len[2 * PAGE_KEYS];
	int more;
};

static int see(void *arg, struct fl_str key, struct fl_str value)
{
	struct page *page = arg;
	if (page->n == PAGE_KEYS || page->bytes->len > PAGE_BYTES) {
		page->more = 1;
		return 1;
	}
	fl_buf_add(page->bytes, key.p, key.len);
	fl_buf_add(page->bytes, value.p, value.len);
	page->len[2 * page->n] = key.len;
	page->len[2 * page->n + 1] = value.len;
	page->n++;
	return 0;
}

/* range(id, from, to): { key, value's text, …, n = keys, more = where the next page begins }. */
static int l_range(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	struct fl_store *s = store_at(L);
	struct fl_str from = lua_isnil(L, 2) ? (struct fl_str){0} : string_at(L, 2);
	struct fl_str to = lua_isnil(L, 3) ? (struct fl_str){0} : string_at(L, 3);
	char err[FL_ERRLEN];
	struct page page = {.bytes = &sc->scratch};
	sc->scratch.len = 0;
	if (fl_store_range(s, from, to, see, &page, err) < 0)
		return fl_lua_raise(L, "%s", err);
	lua_createtable(L, 2 * (int)page.n, 2);
	const char *p = sc->scratch.p;
	for (uint32_t k = 0; k < 2 * page.n; k++) {
		lua_pushlstring(L, p, page.len[k]);
		p += page.len[k];
		lua_rawseti(L, -2, (int)k + 1);
	}
	lua_pushnumber(L, page.n);
	lua_setfield(L, -2, "n");
	if (page.more) { /* the first key after the last one */
		const char *last = p - page.len[2 * page.n - 1] - page.len[2 * page.n - 2];
		lua_pushlstring(L, last, page.len[2 * page.n - 2]);
		lua_pushlstring(L, "", 1);
		lua_concat(L, 2);
		lua_setfield(L, -2, "more");
	}
	return 1;
}

static int l_number_text(lua_State *L)
{
	char text[FL_NUMBER_MAX];
	double v = lua_tonumber(L, 1);
	if (v - v != 0)
		return fl_lua_raise(L, "a key of a store can't be %s", lua_tostring(L, 1));
	lua_pushlstring(L, text, fl_number_write(text, v));
	return 1;
}

void fl_luastate_open(struct fl_script *sc)
{
	static const luaL_Reg functions[] = {
		{"store", l_store}, {"duration", l_duration}, {"load_value", l_load_value}, {"decode_text", l_decode_text},
		{"put", l_put}, {"delete", l_delete}, {"range", l_range}, {"number_text", l_number_text}, {NULL, NULL},
	};
	luaL_register(sc->L, NULL, functions);
	sc->sh.load = load;
}
