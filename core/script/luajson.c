/* The exact codec between JSON texts and Lua values. Called by the event proxy, the stores and json.encode/decode, on
 * the worker's thread. Everything here may raise for want of memory: what it allocates beside Lua stands in a userdata
 * of the state (struct scratch), so that nothing leaks. */
#include "luajson.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "../event/json.h"
#include "../event/number.h"
#include "luaint.h"

struct scratch {
	struct fl_buf text; /* strings unescaped while reading; what json.encode writes */
	struct fl_buf keys; /* struct fl_str: the keys of the objects being written, those of the innermost last */
};

/* Addresses as keys of the registry: of the scratch, and of the metatable that marks an array. */
static const char scratch_key, array_key;

#define KEEP ((size_t)1 << 20) /* a scratch buffer that grew beyond is given back */

static int l_scratch_free(lua_State *L)
{
	struct scratch *scratch = lua_touserdata(L, 1);
	fl_buf_free(&scratch->text);
	fl_buf_free(&scratch->keys);
	return 0;
}

static int push_kept(lua_State *L, const char *key)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	if (!lua_isnil(L, -1))
		return 1;
	lua_pop(L, 1);
	return 0;
}

static void keep(lua_State *L, const char *key)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)key);
	lua_pushvalue(L, -2);
	lua_rawset(L, LUA_REGISTRYINDEX);
}

static void push_array_mark(lua_State *L)
{
	if (push_kept(L, &array_key))
		return;
	lua_createtable(L, 0, 1);
	lua_pushliteral(L, "array");
	lua_setfield(L, -2, "__metatable");
	keep(L, &array_key);
}

/* The state's scratch, which the registry keeps. */
static struct scratch *get_scratch(lua_State *L)
{
	luaL_checkstack(L, 6, NULL);
	if (!push_kept(L, &scratch_key)) {
		struct scratch *made = lua_newuserdata(L, sizeof *made);
		*made = (struct scratch){0};
		lua_createtable(L, 0, 1);
		lua_pushcfunction(L, l_scratch_free);
		lua_setfield(L, -2, "__gc");
		lua_setmetatable(L, -2);
		keep(L, &scratch_key);
	}
	struct scratch *scratch = lua_touserdata(L, -1);
	lua_pop(L, 1);
	if (scratch->text.cap > KEEP)
		fl_buf_free(&scratch->text);
	scratch->text.len = 0;
	return scratch;
}

void fl_lua_null(lua_State *L) { lua_pushlightuserdata(L, NULL); }

void fl_lua_array(lua_State *L, int idx)
{
	lua_pushvalue(L, idx);
	push_array_mark(L);
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}

/* Reading. The stack holds the mark, then the containers that are open, each of an object with the key that waits. */

struct reading {
	lua_State *L;
	int mark;                       /* stack index */
	int depth;
	int count[FL_LUA_JSON_DEPTH + 1]; /* by depth: elements of an array so far, -1 in an object */
};

/* Puts the value at the top of the stack into the container below it. */
static void put_value(struct reading *r)
{
	if (r->depth == 0)
		return;
	if (r->count[r->depth] < 0)
		lua_rawset(r->L, -3);
	else
		lua_rawseti(r->L, -2, ++r->count[r->depth]);
}

static void open_container(struct reading *r, int count)
{
	luaL_checkstack(r->L, 8, NULL);
	lua_newtable(r->L);
	if (count == 0) {
		lua_pushvalue(r->L, r->mark);
		lua_setmetatable(r->L, -2);
	}
	r->count[++r->depth] = count;
}

static int push_number(lua_State *L, struct fl_str text, char *err)
{
	double d;
	int64_t bits;
	int is_unsigned, kind = fl_number_read(text.p, text.len, &d, &bits, &is_unsigned);
	if (kind == 2)
		fl_lua_int_push(L, bits, is_unsigned);
	else if (kind == 1)
		lua_pushnumber(L, d);
	else
		return fl_err(err, "the number %.*s is %s", text.len > 40 ? 40 : (int)text.len, text.p,
			kind < 0 ? "larger than a number can be (1.8e308)" : "no JSON number");
	return 0;
}

/* Takes one step of the walk; 1 at the end. */
static int read_next(struct reading *r, struct fl_json_walk *w, char *err)
{
	switch (fl_json_next(w)) {
	case FL_J_END:
		return 1;
	case FL_J_ERROR:
		return fl_err(err, "%s", w->err);
	case FL_J_OBJECT:
		open_container(r, -1);
		return 0;
	case FL_J_ARRAY:
		open_container(r, 0);
		return 0;
	case FL_J_KEY:
		lua_pushlstring(r->L, w->text.p, w->text.len);
		return 0;
	case FL_J_OBJECT_END:
	case FL_J_ARRAY_END:
		r->depth--;
		break;
	case FL_J_STRING:
		lua_pushlstring(r->L, w->text.p, w->text.len);
		break;
	case FL_J_NUMBER:
		if (push_number(r->L, w->text, err))
			return -1;
		break;
	case FL_J_TRUE:
	case FL_J_FALSE:
		lua_pushboolean(r->L, *w->raw.p == 't');
		break;
	case FL_J_NULL:
		fl_lua_null(r->L);
		break;
	}
	put_value(r);
	return 0;
}

int fl_lua_json_push(lua_State *L, struct fl_str text, char *err)
{
	struct scratch *scratch = get_scratch(L);
	int top = lua_gettop(L), done;
	struct reading r = {.L = L, .mark = top + 1};
	struct fl_json_walk w;
	push_array_mark(L);
	fl_json_walk(&w, text, FL_LUA_JSON_DEPTH, &scratch->text);
	while (!(done = read_next(&r, &w, err)))
		;
	if (done < 0) {
		lua_settop(L, top);
		return -1;
	}
	lua_remove(L, r.mark);
	return 0;
}

/* Writing. */

struct place { /* of a value within what is written; key.p NULL: an array's element */
	const struct place *above;
	const void *table;
	struct fl_str key;
	lua_Number index;
};

struct writing {
	lua_State *L;
	struct scratch *scratch;
	struct fl_buf *out;
	size_t start;
	char *err;
};

static int add_value(struct writing *w, int idx, const struct place *at, int depth);

static int is_name(struct fl_str s)
{
	for (uint32_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && c != '_' && (i == 0 || c < '0' || c > '9'))
			return 0;
	}
	return s.len > 0;
}

/* Writes "a.b[3]" into to, shortened to its room. */
static size_t write_place(char *to, size_t room, const struct place *at)
{
	if (!at)
		return 0;
	size_t n = write_place(to, room, at->above);
	int shown = at->key.len > 40 ? 40 : (int)at->key.len, more;
	if (!at->key.p)
		more = snprintf(to + n, room - n, "[%.14g]", at->index);
	else if (is_name(at->key))
		more = snprintf(to + n, room - n, "%s%.*s", n ? "." : "", shown, at->key.p);
	else
		more = snprintf(to + n, room - n, "[\"%.*s\"]", shown, at->key.p);
	return n + (size_t)more < room ? n + (size_t)more : room - 1;
}

static int refuse(struct writing *w, const struct place *at, const char *why)
{
	char path[200];
	return write_place(path, sizeof path, at) ? fl_err(w->err, "%s: %s", path, why) : fl_err(w->err, "%s", why);
}

static int add_number(struct writing *w, lua_Number v, const struct place *at)
{
	if (!isfinite(v))
		return refuse(w, at, isnan(v) ? "nan is not JSON" : v > 0 ? "inf is not JSON" : "-inf is not JSON");
	fl_buf_room(w->out, FL_NUMBER_MAX);
	w->out->len += fl_number_write(w->out->p + w->out->len, v);
	return 0;
}

static int add_integer(struct writing *w, int64_t bits, int is_unsigned)
{
	char *to = fl_buf_room(w->out, FL_NUMBER_MAX);
	w->out->len += is_unsigned ? fl_unsigned_write(to, (uint64_t)bits) : fl_integer_write(to, bits);
	return 0;
}

static int refuse_size(struct writing *w)
{
	return fl_err(w->err, "as JSON this is larger than %zu MiB; make it smaller", FL_LUA_JSON_MAX >> 20);
}

static int add_string(struct writing *w, struct fl_str s, const struct place *at)
{
	if (s.len > FL_LUA_JSON_MAX)
		return refuse_size(w);
	return fl_json_string(w->out, s) ? refuse(w, at, "the string is not UTF-8") : 0;
}

/* What a table's keys say of it. */
struct shape {
	lua_Number count, highest; /* of its whole keys from 1 on */
	uint32_t strings;
};

/* Looks at all keys of the table at the top of the stack, and collects the strings among them in the scratch. */
static int look(struct writing *w, const struct place *at, struct shape *shape)
{
	lua_State *L = w->L;
	*shape = (struct shape){0};
	for (lua_pushnil(L); lua_next(L, -2);) {
		lua_pop(L, 1);
		if (lua_type(L, -1) == LUA_TSTRING) {
			size_t len;
			const char *p = lua_tolstring(L, -1, &len);
			struct fl_str key = {p, (uint32_t)len};
			fl_buf_add(&w->scratch->keys, &key, sizeof key);
			shape->strings++;
			continue;
		}
		if (lua_type(L, -1) != LUA_TNUMBER)
			return refuse(w, at, "a table has a key that is neither a string nor a number");
		lua_Number n = lua_tonumber(L, -1);
		if (n < 1 || n != floor(n))
			return refuse(w, at, "a table has a number as key that is no place in an array (1, 2, 3 …); make it a string by tostring");
		shape->count++;
		shape->highest = n > shape->highest ? n : shape->highest;
	}
	if (shape->count > 0 && shape->strings)
		return refuse(w, at, "a table has both strings and numbers as keys, so it is neither an object nor an array");
	if (shape->highest > shape->count)
		return refuse(w, at, "an array has holes; put json.null where nothing is");
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct fl_str *x = a, *y = b;
	int way = memcmp(x->p, y->p, x->len < y->len ? x->len : y->len);
	return way ? way : x->len < y->len ? -1 : x->len > y->len;
}

/* The keys stand in the scratch from byte first on; tables inside put theirs behind them, which can move the scratch. */
static int add_object(struct writing *w, size_t first, const struct place *at, int depth)
{
	uint32_t n = (uint32_t)((w->scratch->keys.len - first) / sizeof(struct fl_str));
	struct place here = {.above = at, .table = lua_topointer(w->L, -1)};
	if (n > 1)
		qsort(w->scratch->keys.p + first, n, sizeof(struct fl_str), compare_keys);
	fl_buf_byte(w->out, '{');
	for (uint32_t i = 0; i < n; i++) {
		memcpy(&here.key, w->scratch->keys.p + first + i * sizeof here.key, sizeof here.key);
		if (i)
			fl_buf_byte(w->out, ',');
		if (fl_json_string(w->out, here.key))
			return refuse(w, at, "a key is not UTF-8");
		fl_buf_byte(w->out, ':');
		lua_pushlstring(w->L, here.key.p, here.key.len);
		lua_rawget(w->L, -2);
		if (add_value(w, lua_gettop(w->L), &here, depth))
			return -1;
		lua_pop(w->L, 1);
	}
	fl_buf_byte(w->out, '}');
	return 0;
}

static int add_array(struct writing *w, int n, const struct place *at, int depth)
{
	struct place here = {.above = at, .table = lua_topointer(w->L, -1)};
	fl_buf_byte(w->out, '[');
	for (int i = 1; i <= n; i++) {
		here.index = i;
		if (i > 1)
			fl_buf_byte(w->out, ',');
		lua_rawgeti(w->L, -1, i);
		if (add_value(w, lua_gettop(w->L), &here, depth))
			return -1;
		lua_pop(w->L, 1);
	}
	fl_buf_byte(w->out, ']');
	return 0;
}

static int is_marked(lua_State *L)
{
	if (!lua_getmetatable(L, -1))
		return 0;
	push_array_mark(L);
	int is = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return is;
}

/* The table at the top of the stack, which stays there. */
static int add_table(struct writing *w, const struct place *at, int depth)
{
	struct shape shape;
	size_t first = w->scratch->keys.len;
	luaL_checkstack(w->L, 8, NULL);
	const void *table = lua_topointer(w->L, -1);
	for (const struct place *p = at; p; p = p->above)
		if (p->table == table)
			return refuse(w, at, "a table contains itself");
	if (depth > FL_LUA_JSON_DEPTH)
		return refuse(w, at, "tables are nested deeper than 64");
	if (look(w, at, &shape))
		return -1;
	int marked = is_marked(w->L);
	if (marked && shape.strings)
		return refuse(w, at, "an array has strings as keys");
	int rc = marked || shape.count > 0 ? add_array(w, (int)shape.count, at, depth) : add_object(w, first, at, depth);
	w->scratch->keys.len = first;
	return rc;
}

static int add_other(struct writing *w, int idx, const struct place *at)
{
	int64_t bits;
	int is_unsigned;
	if (lua_islightuserdata(w->L, idx) && !lua_touserdata(w->L, idx)) {
		FL_BUF_LIT(w->out, "null");
		return 0;
	}
	if (fl_lua_int_get(w->L, idx, &bits, &is_unsigned))
		return add_integer(w, bits, is_unsigned);
	char why[80];
	snprintf(why, sizeof why, "a %s is not JSON", luaL_typename(w->L, idx));
	return refuse(w, at, why);
}

/* The value at idx, an index from the bottom; a table stands at the top. */
static int add_value(struct writing *w, int idx, const struct place *at, int depth)
{
	lua_State *L = w->L;
	size_t len;
	const char *p;
	if (w->out->len - w->start > FL_LUA_JSON_MAX)
		return refuse_size(w);
	switch (lua_type(L, idx)) {
	case LUA_TNIL:
		FL_BUF_LIT(w->out, "null");
		return 0;
	case LUA_TBOOLEAN:
		fl_buf_add(w->out, lua_toboolean(L, idx) ? "true" : "false", lua_toboolean(L, idx) ? 4 : 5);
		return 0;
	case LUA_TNUMBER:
		return add_number(w, lua_tonumber(L, idx), at);
	case LUA_TSTRING:
		p = lua_tolstring(L, idx, &len);
		return add_string(w, (struct fl_str){p, (uint32_t)len}, at);
	case LUA_TTABLE:
		return add_table(w, at, depth + 1);
	default:
		return add_other(w, idx, at);
	}
}

int fl_lua_json_add(lua_State *L, int idx, struct fl_buf *out, char *err)
{
	struct writing w = {.L = L, .scratch = get_scratch(L), .out = out, .start = out->len, .err = err};
	int top = lua_gettop(L);
	if (w.scratch->keys.cap > KEEP)
		fl_buf_free(&w.scratch->keys);
	w.scratch->keys.len = 0;
	lua_pushvalue(L, idx);
	int rc = add_value(&w, top + 1, NULL, 0);
	lua_settop(L, top);
	if (rc)
		out->len = w.start;
	return rc;
}

/* The module json. */

static int l_encode(lua_State *L)
{
	char err[FL_ERRLEN];
	luaL_checkany(L, 1);
	struct fl_buf *out = &get_scratch(L)->text;
	if (fl_lua_json_add(L, 1, out, err))
		return luaL_error(L, "json.encode: %s", err);
	lua_pushlstring(L, out->p, out->len);
	return 1;
}

static int l_decode(lua_State *L)
{
	char err[FL_ERRLEN];
	size_t len;
	const char *p = luaL_checklstring(L, 1, &len);
	if (len > UINT32_MAX || fl_lua_json_push(L, (struct fl_str){p, (uint32_t)len}, err)) {
		lua_pushnil(L);
		lua_pushstring(L, len > UINT32_MAX ? "the text is too long" : err);
		return 2;
	}
	return 1;
}

static int l_array(lua_State *L)
{
	lua_settop(L, 1);
	if (lua_isnil(L, 1))
		lua_newtable(L);
	luaL_checktype(L, -1, LUA_TTABLE);
	fl_lua_array(L, -1);
	return 1;
}

void fl_lua_json_open(lua_State *L)
{
	lua_pushcfunction(L, l_encode);
	lua_setfield(L, -2, "encode");
	lua_pushcfunction(L, l_decode);
	lua_setfield(L, -2, "decode");
	lua_pushcfunction(L, l_array);
	lua_setfield(L, -2, "array");
	fl_lua_null(L);
	lua_setfield(L, -2, "null");
	fl_lua_int_make(L);
	lua_setfield(L, -2, "int");
}
