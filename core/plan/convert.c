/* Lua values of a conf as struct fl_value, each with its line. Called by words.c while the conf runs. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "../event/json.h"
#include "../script/luatext.h"
#include "private.h"

#define DEPTH 16
#define MOST_VALUES 20000
#define LONGEST_TEXT 65536
#define MOST_BYTES ((size_t)4 << 20)

/* ---- lines ----------------------------------------------------------------------------------------------------- */

static int is_sign(const struct fl_lua_text *t, char c) { return t->p - t->token == 1 && *t->token == c; }

/* Walks from the line where the table's call begins to where its braces are balanced. */
int fl_line_of(const struct fl_reading *r, int line, const char *name)
{
	const char *p = r->text.p, *end = p + r->text.len;
	for (int at = 1; p && at < line; at++) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	if (!p)
		return line;
	struct fl_lua_text t;
	size_t len = strlen(name);
	int depth = 0, named = 0, deeper = 0; /* of tables within it, where one line has several tables */
	fl_lua_text(&t, p, (size_t)(end - p));
	while (fl_lua_next(&t) != FL_LUA_EOF) {
		if (named && is_sign(&t, '=') && (t.p == t.end || *t.p != '=')) {
			if (depth == 1)
				return named;
			deeper = deeper ? deeper : named;
		}
		named = depth && (size_t)(t.p - t.token) == len && memcmp(t.token, name, len) == 0 ? line + (int)t.line - 1 : 0;
		depth += is_sign(&t, '{');
		depth -= is_sign(&t, '}');
		if (depth == 0 && is_sign(&t, '}') && line + (int)t.line - 1 > line)
			break;
	}
	return deeper ? deeper : line;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

struct converting {
	lua_State *L;
	struct fl_reading *r;
	int line;
	int depth;
};

static int convert(struct converting *c, int idx, int flags, const char *name, struct fl_value *to);

static int text_of(struct converting *c, int idx, char **to)
{
	size_t len;
	const char *p = lua_tolstring(c->L, idx, &len);
	struct fl_buf waste = {0};
	int is_utf8 = len <= LONGEST_TEXT && fl_json_string(&waste, (struct fl_str){p, (uint32_t)len}) == 0;
	fl_buf_free(&waste);
	c->r->bytes += len;
	if (len > LONGEST_TEXT || c->r->bytes > MOST_BYTES)
		return fl_reading_fail(c->r, c->line, "the conf has a text of %zu bytes; one may have %d, all together %zu",
		                       len, LONGEST_TEXT, MOST_BYTES);
	if (!is_utf8 || memchr(p, 0, len))
		return fl_reading_fail(c->r, c->line, "the conf has a text that is not UTF-8, or has a zero byte");
	*to = fl_strdup(p);
	return 0;
}

/* Keys are shown on terminals as they are. */
static int check_key(struct converting *c, const char *name)
{
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return fl_reading_fail(c->r, c->line, "the name of an option has a control character");
	return 0;
}

/* How many entries a table has; how many of them are 1, 2, 3 …. */
static int measure(struct converting *c, int idx, uint32_t *list, uint32_t *named)
{
	*list = *named = 0;
	for (lua_pushnil(c->L); lua_next(c->L, idx); lua_pop(c->L, 1)) {
		if (lua_type(c->L, -2) == LUA_TSTRING)
			++*named;
		else if (lua_type(c->L, -2) == LUA_TNUMBER)
			++*list;
		else
			return fl_reading_fail(c->r, c->line, "a table has a %s as a key; keys are names", luaL_typename(c->L, -2));
	}
	if (*list + *named + c->r->values > MOST_VALUES)
		return fl_reading_fail(c->r, c->line, "the conf has more than %d values", MOST_VALUES);
	c->r->values += *list + *named;
	return 0;
}

static int list_items(struct converting *c, int idx, uint32_t n, struct fl_value *to)
{
	for (uint32_t i = 1; i <= n; i++) {
		lua_rawgeti(c->L, idx, (int)i);
		if (lua_isnil(c->L, -1))
			return fl_reading_fail(c->r, c->line, "a list has a hole: its entry %u is nil", i);
		if (convert(c, lua_gettop(c->L), 0, NULL, &to->item[to->n++]) != 0)
			return -1;
		lua_pop(c->L, 1);
	}
	return 0;
}

static int map_items(struct converting *c, int idx, int flags, struct fl_value *to)
{
	for (lua_pushnil(c->L); lua_next(c->L, idx); lua_pop(c->L, 1)) {
		struct fl_value *item = &to->item[to->n];
		char *name = NULL;
		if (lua_type(c->L, -2) != LUA_TSTRING)
			continue;
		if (text_of(c, lua_gettop(c->L) - 1, &name) != 0)
			return -1;
		item->name = name;
		to->n++;
		if (check_key(c, name) != 0 || convert(c, lua_gettop(c->L), flags & FL_MIXED_TIME, name, item) != 0)
			return -1;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct fl_value *)a)->name, ((const struct fl_value *)b)->name);
}

/* time = { "field", unit = "ms" }: the field gets the name "field". */
static int mixed_time(struct converting *c, int idx, struct fl_value *to)
{
	struct fl_value *item = &to->item[to->n++];
	item->name = fl_strdup("field");
	lua_rawgeti(c->L, idx, 1);
	int rc = convert(c, lua_gettop(c->L), 0, NULL, item);
	lua_pop(c->L, 1);
	return rc;
}

static int table_of(struct converting *c, int idx, int flags, const char *name, struct fl_value *to)
{
	uint32_t list, named;
	int is_time = (flags & FL_MIXED_TIME) && name && strcmp(name, "time") == 0;
	if (++c->depth > DEPTH || !lua_checkstack(c->L, 8))
		return fl_reading_fail(c->r, c->line, "the conf has tables within tables, more than %d deep", DEPTH);
	if (measure(c, idx, &list, &named) != 0)
		return -1;
	if (flags & FL_SKIP_LIST)
		list = 0;
	if (is_time && list > 1)
		return fl_reading_fail(c->r, c->line,
		                       "a time is one field: write time = \"field\" or time = { \"field\", unit = \"ms\" }");
	if (list && named && !is_time)
		return fl_reading_fail(
			c->r, c->line, "a table has both names and entries without one%s%s%s: write a name before each, or none",
			name ? " (" : "", name ? name : "", name ? ")" : "");
	to->kind = list && !named && !is_time ? FL_V_LIST : FL_V_MAP;
	to->item = fl_alloc((list + named + 1) * sizeof *to->item);
	int rc = list && is_time ? mixed_time(c, idx, to) : list ? list_items(c, idx, list, to) : 0;
	if (rc == 0)
		rc = map_items(c, idx, flags, to);
	if (rc == 0 && named)
		qsort(to->item, to->n, sizeof *to->item, by_name);
	c->depth--;
	return rc;
}

static int handle_of(struct converting *c, int idx, struct fl_value *to)
{
	const struct fl_decl *d = fl_words_decl(c->L, c->r, idx);
	if (d && d->kind == FL_D_STREAM) {
		to->kind = FL_V_STREAM;
		to->number = d->stream;
		to->text = fl_strdup(d->name);
		return 0;
	}
	if (d && d->kind == FL_D_TIME) {
		to->kind = FL_V_WORD;
		to->word = fl_strdup("time");
		to->text = fl_strdup(d->name);
		return 0;
	}
	return fl_reading_fail(
		c->r, to->line,
		"%s %s can't be the value of an option: it takes texts, numbers, true and false, tables and streams",
		d ? "a" : "a value of type", d ? fl_decl_word(d->kind) : luaL_typename(c->L, idx));
}

static int convert(struct converting *c, int idx, int flags, const char *name, struct fl_value *to)
{
	to->line = name ? fl_line_of(c->r, c->line, name) : c->line;
	switch (lua_type(c->L, idx)) {
	case LUA_TBOOLEAN:
		to->kind = FL_V_BOOL;
		to->number = lua_toboolean(c->L, idx);
		return 0;
	case LUA_TNUMBER:
		to->kind = FL_V_NUMBER;
		to->number = lua_tonumber(c->L, idx);
		return 0;
	case LUA_TSTRING:
		to->kind = FL_V_STRING;
		return text_of(c, idx, &to->text);
	case LUA_TTABLE: {
		int line = c->line;
		c->line = to->line;
		int rc = table_of(c, idx, flags, name, to);
		c->line = line;
		return rc;
	}
	default:
		return handle_of(c, idx, to);
	}
}

int fl_value_of(lua_State *L, struct fl_reading *r, int idx, int line, int flags, struct fl_value *to)
{
	struct converting c = {L, r, line, 0};
	return convert(&c, idx, flags, NULL, to);
}

struct fl_value fl_value_copy(const struct fl_value *v)
{
	struct fl_value to = *v;
	to.text = v->text ? fl_strdup(v->text) : NULL;
	to.name = v->name ? fl_strdup(v->name) : NULL;
	to.word = v->word ? fl_strdup(v->word) : NULL;
	to.item = v->n ? fl_alloc(v->n * sizeof *to.item) : NULL;
	for (uint32_t i = 0; i < v->n; i++)
		to.item[i] = fl_value_copy(&v->item[i]);
	return to;
}
