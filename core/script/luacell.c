/* Cells as scripts see them, where the prelude can't do it alone: new columns, texts, tables and large integers, the
 * journal that undoes an event, headers and chance. Called by prelude.lua for the present event, on its thread. */
#include <stdio.h>
#include <stdlib.h>

#include "../event/header.h"
#include "../event/number.h"
#include "../event/utf8.h"
#include "inner.h"
#include "luaint.h"
#include "luajson.h"

static struct fl_script *of(struct fl_shared *sh) { return (struct fl_script *)sh; }

/* ---- without Lua, for compiled code ----------------------------------------------------------------------------- */

static int32_t not_utf8(const char *p, uint32_t len) { return fl_utf8_check(p, len) != len; }

static int32_t column(struct fl_shared *sh, const char *p, uint32_t len)
{
	struct fl_script *sc = of(sh);
	if (not_utf8(p, len))
		return -2;
	uint32_t c = fl_events_column(sc->ev, (struct fl_str){p, len});
	if (c == FL_NO_FIELD)
		return -1;
	if (!sc->field[c].p)
		sc->field[c] = (struct fl_str){memcpy(fl_alloc(len + 1u), p, len), len};
	if (sc->columns <= c)
		sc->columns = c + 1;
	return (int32_t)c;
}

/* A cell that was written before this event's script: the journal has it once. */
static void note(struct fl_shared *sh, uint32_t c)
{
	struct fl_column *col = sh->b->column[c];
	uint32_t i = sh->row;
	for (uint32_t k = 0; k < sh->undos; k++) {
		struct fl_undo *u = &sh->undo[k];
		if (u->column != c)
			continue;
		if (!u->has_str) { /* the prelude's, which left the text alone */
			u->has_str = 1;
			u->str = col->str[i];
		}
		return;
	}
	FL_ASSERT(sh->undos < FL_COLUMNS_MAX);
	sh->undo[sh->undos++] = (struct fl_undo){c, col->type[i], col->dirty[i], 1, 0, col->num[i], col->str[i]};
	fl_events_touch(of(sh)->ev, col, i);
}

int fl_lua_bytes(struct fl_script *sc, size_t n)
{
	if (sc->bytes_event != sc->sh.event) {
		sc->bytes_event = sc->sh.event;
		sc->bytes = 0;
	}
	if (n > sc->cap - sc->bytes)
		return -1;
	sc->bytes += n;
	return 0;
}

static int32_t set_string(struct fl_shared *sh, uint32_t c, const char *p, uint32_t len)
{
	struct fl_script *sc = of(sh);
	if (sc->ev->codec != &fl_codec_bytes && not_utf8(p, len))
		return -1;
	if (fl_lua_bytes(sc, len) < 0)
		return -2;
	note(sh, c);
	fl_events_set_string(sc->ev, c, sh->row, (struct fl_str){p, len});
	return 0;
}

static int32_t header(struct fl_shared *sh, const char *p, uint32_t len)
{
	sh->out = fl_header_find(sh->b->headers[sh->row], (struct fl_str){p, len});
	return sh->out.p != NULL;
}

/* Chance from the record: splitmix64, seeded by where the record stands; outside events by what script.c said. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static double chance(struct fl_shared *sh)
{
	struct fl_script *sc = of(sh);
	if (sc->random_event != sh->event) {
		sc->random_event = sh->event;
		sc->random = sc->random_seed;
		if (sc->phase == FL_PHASE_EVENTS) {
			sc->random = mix(fl_key_hash(fl_str(sh->b->stream)) + sh->b->partition);
			sc->random = mix(sc->random ^ (uint64_t)sh->b->offset[sh->row]);
		}
	}
	sc->random += 0x9e3779b97f4a7c15u;
	return (double)(mix(sc->random) >> 11) * 0x1p-53;
}

/* ---- with Lua --------------------------------------------------------------------------------------------------- */

static int refused(lua_State *L, const char *field, int how)
{
	if (how == -1)
		return fl_lua_raise(L, "field %s: the string is not UTF-8, which JSON needs", field);
	return fl_lua_raise(L, "field %s: this event's script has written more than its memory may hold", field);
}

static int l_refuse(lua_State *L) { return refused(L, lua_tostring(L, 1), (int)lua_tointeger(L, 2)); }

static struct fl_column *cell(struct fl_script *sc, lua_State *L)
{
	return sc->sh.b->column[(uint32_t)lua_tonumber(L, 1)];
}

/* set(column, value, name): tables and large integers. */
static int l_set(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	char err[FL_ERRLEN];
	uint32_t c = (uint32_t)lua_tonumber(L, 1);
	struct fl_str name = sc->sh.b->column[c]->name;
	char called[80];
	snprintf(called, sizeof called, "%.*s", (int)name.len, name.p);
	sc->scratch.len = 0;
	if (fl_lua_json_add(L, 2, &sc->scratch, err) < 0)
		return fl_lua_raise(L, "field %s: %s", called, err);
	if (fl_lua_bytes(sc, sc->scratch.len) < 0)
		return refused(L, called, -2);
	note(&sc->sh, c);
	if (fl_events_set_json(sc->ev, c, sc->sh.row, (struct fl_str){sc->scratch.p, (uint32_t)sc->scratch.len}) < 0)
		return fl_lua_raise(L, "field %s: its value is too deep for the stream", called);
	return 0;
}

static int l_decode(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	char err[FL_ERRLEN];
	if (fl_lua_json_push(L, cell(sc, L)->str[sc->sh.row], err) < 0)
		return fl_lua_raise(L, "%s", err);
	return 1;
}

static int l_bigint(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	struct fl_str s = cell(sc, L)->str[sc->sh.row];
	double d;
	int64_t bits = 0;
	int is_unsigned = 0;
	FL_ASSERT(fl_number_read(s.p, s.len, &d, &bits, &is_unsigned) == 2);
	fl_lua_int_push(L, bits, is_unsigned);
	return 1;
}

/* The event as it stands, as a text. */
static int l_text(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	char err[FL_ERRLEN];
	sc->scratch.len = 0;
	if (fl_events_encode(sc->ev, sc->sh.row, sc->ev->codec, &sc->scratch, err) < 0)
		return fl_lua_raise(L, "%s", err);
	lua_pushlstring(L, sc->scratch.p, sc->scratch.len);
	return 1;
}

/* ---- for the rest of the layer ---------------------------------------------------------------------------------- */

void fl_luacell_undo(struct fl_script *sc)
{
	struct fl_shared *sh = &sc->sh;
	if (sc->ev && sc->emit_event == sh->event && sc->ev->emits > sc->emit_from)
		sc->ev->emits = sc->emit_from;
	if (sc->phase != FL_PHASE_EVENTS)
		return;
	uint32_t i = sh->row;
	while (sh->undos) {
		const struct fl_undo *u = &sh->undo[--sh->undos];
		struct fl_column *c = sh->b->column[u->column];
		c->type[i] = u->type;
		c->dirty[i] = u->dirty;
		c->num[i] = u->num;
		if (u->has_str)
			c->str[i] = u->str;
	}
	sh->b->touched[i] = (uint8_t)sh->touched;
}

/* A batch that was begun before the script used a field, or whose fields are another pipeline's. */
int fl_luacell_batch(struct fl_script *sc)
{
	struct fl_events *ev = sc->ev;
	sc->sh.b = &ev->b;
	if (sc->fields != ev->fields) {
		lua_rawgeti(sc->L, LUA_REGISTRYINDEX, sc->entry[FL_IN_FORGET]);
		if (fl_lua_call(sc, 0, 0) < 0)
			return -1;
		for (uint32_t c = 0; c < sc->columns; c++) {
			free((char *)sc->field[c].p);
			sc->field[c] = (struct fl_str){0};
		}
		sc->columns = 0;
		sc->fields = ev->fields;
	}
	if (ev->b.columns < sc->columns)
		for (uint32_t c = 0; c < sc->columns; c++)
			if (sc->field[c].p)
				FL_ASSERT(fl_events_column(ev, sc->field[c]) == c);
	return 0;
}

void fl_luacell_open(struct fl_script *sc)
{
	static const luaL_Reg functions[] = {
		{"refuse", l_refuse}, {"set", l_set}, {"decode", l_decode}, {"bigint", l_bigint}, {"text", l_text}, {NULL, NULL},
	};
	luaL_register(sc->L, NULL, functions);
	sc->sh.column = column;
	sc->sh.note = note;
	sc->sh.set_string = set_string;
	sc->sh.header = header;
	sc->sh.random = chance;
	sc->sh.utf8 = not_utf8;
}
