/* The fuel rewriter. Called when a script or a file that it requires is loaded, on the thread that loads it.
 *
 * Where a count may stand: a statement can be inserted wherever a block begins. A label needs one because a backward goto
 * makes a loop; but a label that ends its block must stay last, since Lua lets a goto jump forward over a local only to
 * such a label ("continue"). No backward goto can reach that one: whatever follows it in its block is no statement. */
#include "fuel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/buf.h"
#include "luatext.h"

#define COUNT " __n=__n-1 if __n<0 then __a() end "
#define DEEPEST 256 /* LuaJIT's compiler allows 200 levels */

struct rewrite {
	struct fl_lua_text text;
	struct fl_buf out;
	const char *copied; /* the source is in out up to here */
	uint32_t depth;
	uint8_t header[DEEPEST]; /* by level: 1 between for or while and its do, 0 in a block */
	int params;              /* between "function" and the end of its parameter list */
	int label;               /* between the two signs of a label */
	char *err;
};

static void count_here(struct rewrite *r)
{
	fl_buf_add(&r->out, r->copied, (size_t)(r->text.p - r->copied));
	FL_BUF_LIT(&r->out, COUNT);
	r->copied = r->text.p;
}

static int enter(struct rewrite *r, int header)
{
	if (r->depth == DEEPEST)
		return fl_err(r->err, "%u: blocks are nested deeper than %d; make functions of the inner ones", r->text.line, DEEPEST);
	r->header[r->depth++] = (uint8_t)header;
	return 0;
}

static int leave(struct rewrite *r)
{
	if (r->depth == 0)
		return fl_err(r->err, "%u: a block ends that never began; the file is not Lua", r->text.line);
	r->depth--;
	return 0;
}

static int enter_do(struct rewrite *r)
{
	if (r->depth == 0 || !r->header[r->depth - 1])
		return enter(r, 0);
	r->header[r->depth - 1] = 0;
	count_here(r);
	return 0;
}

/* After a label. If another label follows, that one decides for both, so looking ahead stays short. */
static void end_label(struct rewrite *r)
{
	struct fl_lua_text ahead = r->text;
	enum fl_lua_token token;
	while ((token = fl_lua_next(&ahead)) == FL_LUA_SEMICOLON)
		;
	if (token != FL_LUA_EOF && token != FL_LUA_END && token != FL_LUA_ELSE && token != FL_LUA_UNTIL && token != FL_LUA_LABEL)
		count_here(r);
}

static int name(struct rewrite *r)
{
	const char *p = r->text.token;
	if (r->text.p - p != 3 || (memcmp(p, "__n", 3) != 0 && memcmp(p, "__a", 3) != 0))
		return 0;
	return fl_err(r->err, "%u: the name %.3s is reserved for the fuel counter; choose another one", r->text.line, p);
}

static int take(struct rewrite *r, enum fl_lua_token token)
{
	switch (token) {
	case FL_LUA_NAME:
		return name(r);
	case FL_LUA_WHILE:
	case FL_LUA_FOR:
		return enter(r, 1);
	case FL_LUA_DO:
		return enter_do(r);
	case FL_LUA_IF:
		return enter(r, 0);
	case FL_LUA_REPEAT:
		count_here(r);
		return enter(r, 0);
	case FL_LUA_FUNCTION:
		r->params = 1;
		return enter(r, 0);
	case FL_LUA_CLOSE:
		if (r->params)
			count_here(r);
		r->params = 0;
		return 0;
	case FL_LUA_END:
	case FL_LUA_UNTIL:
		return leave(r);
	case FL_LUA_LABEL:
		if (r->label)
			end_label(r);
		r->label = !r->label;
		return 0;
	default:
		return 0;
	}
}

char *fl_fuel_rewrite(const char *src, size_t len, size_t *outlen, char *err)
{
	struct rewrite r = {.err = err};
	enum fl_lua_token token;
	fl_lua_text(&r.text, src, len);
	r.copied = r.text.p;
	if (r.text.p < r.text.end && *r.text.p == '\x1b') {
		fl_err(err, "1: this is compiled Lua; give the source");
		return NULL;
	}
	FL_BUF_LIT(&r.out, "local __n,__a=0,nil return function(...) ");
	while ((token = fl_lua_next(&r.text)) != FL_LUA_EOF) {
		if (take(&r, token)) {
			fl_buf_free(&r.out);
			return NULL;
		}
	}
	fl_buf_add(&r.out, r.copied, (size_t)(r.text.end - r.copied));
	FL_BUF_LIT(&r.out, "\nend");
	*outlen = r.out.len;
	return r.out.p;
}

/* Up to where the message's place goes: "name:12". */
static size_t place_of(const char *msg)
{
	for (const char *p = msg; (p = strchr(p, ':')); p++) {
		size_t digits = strspn(p + 1, "0123456789");
		if (digits && p[1 + digits] == ':')
			return (size_t)(p - msg) + 1 + digits;
	}
	return 0;
}

int fl_fuel_explain(const char *msg, char *err)
{
	size_t place = place_of(msg);
	const char *rest = place ? msg + place + 2 : msg;
	int room = place < FL_ERRLEN / 2 ? (int)place : FL_ERRLEN / 2;
	int from = 0;
	if (strstr(rest, "upvalues") && sscanf(rest, "function at line %d", &from) == 1)
		return fl_err(err, "%.*s: the function of line %d uses more than 58 variables of the functions around it "
			"(Lua allows 60, and the fuel counter takes two); keep them as fields of a table", room, msg, from);
	return fl_err(err, "%.*s: with the fuel counts that are added to each loop and function, this is too large "
		"for Lua's compiler (%.150s); make several functions of it", room, msg, rest);
}

/* The place of a variable among a function's own, 0 if it uses none of that name. */
static int find_upvalue(lua_State *L, int func, const char *name)
{
	const char *found;
	for (int i = 1; (found = lua_getupvalue(L, func, i)); i++) {
		lua_pop(L, 1);
		if (strcmp(found, name) == 0)
			return i;
	}
	return 0;
}

void fl_fuel_join(lua_State *L, int chunk, int meter)
{
	static const char *const names[] = {"__n", "__a"};
	for (int i = 0; i < 2; i++) {
		int from = find_upvalue(L, meter, names[i]), to = find_upvalue(L, chunk, names[i]);
		FL_ASSERT(from);
		if (to)
			lua_upvaluejoin(L, chunk, to, meter, from);
	}
}
