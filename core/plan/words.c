/* The words of a conf. Each gives a handle, an opaque value; calling it with a table fills it: stream "raw" { … }.
 * Called from Lua, within fl_sandbox_run; functions that may raise hold nothing of their own. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "private.h"

#define MOST_DECLS 4096
#define HANDLE "fairlead.handle"

static const char *const words[] = {"app",    "stream", "source", "pipeline", "sink",  "web",
                                    "plugin", "script", "env",    "time",     "kafka", "option"};

const char *const *fl_words_names(uint32_t *n)
{
	*n = sizeof words / sizeof *words;
	return words;
}

const char *fl_decl_word(enum fl_decl_kind kind)
{
	static const char *const word[] = {"stream", "source", "pipeline", "sink", "web", "plugin", "script", "time"};
	return word[kind];
}

static struct fl_reading *reading_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

/* The conf's line that called. */
static int line_of(lua_State *L)
{
	lua_Debug ar;
	for (int level = 1; lua_getstack(L, level, &ar); level++)
		if (lua_getinfo(L, "l", &ar) && ar.currentline > 0)
			return ar.currentline;
	return 1;
}

/* The message is in the reading's err. */
static _Noreturn void l_stop(lua_State *L)
{
	luaL_error(L, "stopped");
	__builtin_unreachable();
}

struct fl_decl *fl_words_decl(lua_State *L, struct fl_reading *r, int idx)
{
	uint32_t *at = lua_touserdata(L, idx);
	if (!at || !lua_getmetatable(L, idx))
		return NULL;
	luaL_getmetatable(L, HANDLE);
	int is = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return is ? &r->decl[*at] : NULL;
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static int has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return 1;
	return 0;
}

/* The first argument as a name; of free form for scripts, plugins and fields. */
static const char *name_of(lua_State *L, struct fl_reading *r, const char *word, int is_free)
{
	size_t len = 0;
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *name = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &len) : NULL;
	const char *extra =
		strcmp(word, "app") == 0 || strcmp(word, "env") == 0 || strcmp(word, "time") == 0 ? "" : " { … }";
	if (!name) {
		fl_reading_fail(r, line_of(L), "%s takes a name: write %s \"name\"%s", word, word, extra);
		l_stop(L);
	}
	if (len == 0 || len > 200 || strlen(name) != len || has_control(name) ||
	    (!is_free && (strspn(name, good) != len || name[0] == '.'))) {
		fl_reading_fail(r, line_of(L), "\"%s\" can't be the name of %s %s: it has 1 to 200 %s", name,
		                word[0] == 'a' || word[0] == 'e' ? "an" : "a", word,
		                is_free ? "bytes" : "letters, digits, . _ - and no . in front");
		l_stop(L);
	}
	return name;
}

static int is_flow(enum fl_decl_kind kind) { return kind >= FL_D_SOURCE && kind <= FL_D_WEB; }

static void check_double(lua_State *L, struct fl_reading *r, enum fl_decl_kind kind, const char *name)
{
	for (uint32_t i = 0; i < r->decls; i++) {
		const struct fl_decl *d = &r->decl[i];
		if (strcmp(d->name, name) != 0 ||
		    !((kind == FL_D_STREAM && d->kind == kind) || (is_flow(kind) && is_flow(d->kind))))
			continue;
		fl_reading_fail(r, line_of(L), "%s \"%s\" has the name of the %s in line %d: each needs its own",
		                fl_decl_word(kind), name, fl_decl_word(d->kind), d->line);
		l_stop(L);
	}
}

/* ---- words with a handle --------------------------------------------------------------------------------------- */

static int l_declare(lua_State *L)
{
	struct fl_reading *r = reading_of(L);
	enum fl_decl_kind kind = (enum fl_decl_kind)lua_tointeger(L, lua_upvalueindex(2));
	int is_free = kind == FL_D_SCRIPT || kind == FL_D_TIME;
	const char *name = name_of(L, r, fl_decl_word(kind), is_free);
	check_double(L, r, kind, name);
	if (r->decls == MOST_DECLS) {
		fl_reading_fail(r, line_of(L), "the conf declares more than %d things", MOST_DECLS);
		l_stop(L);
	}
	uint32_t *at = lua_newuserdata(L, sizeof *at);
	*at = r->decls;
	luaL_getmetatable(L, HANDLE);
	lua_setmetatable(L, -2);
	if ((r->decls & (r->decls - 1)) == 0)
		r->decl = fl_realloc(r->decl, (r->decls ? r->decls * 2 : 1) * sizeof *r->decl);
	struct fl_decl *d = &r->decl[r->decls++];
	*d = (struct fl_decl){.kind = kind, .name = fl_strdup(name), .line = line_of(L), .opts = {.kind = FL_V_MAP}};
	d->opts.line = d->line;
	if (kind == FL_D_STREAM)
		d->stream = r->streams++;
	return 1;
}

/* A stage of a flow, at the top of the stack. */
static void add_stage(lua_State *L, struct fl_reading *r, struct fl_decl *flow, int place)
{
	struct fl_decl *d = fl_words_decl(L, r, -1);
	if (lua_type(L, -1) == LUA_TNIL || (lua_type(L, -1) == LUA_TBOOLEAN && !lua_toboolean(L, -1)))
		return; /* env "X" and plugin "y" { } */
	const char *word = fl_decl_word(flow->kind);
	if (d && d->kind == FL_D_STREAM)
		fl_reading_fail(r, flow->opts_line,
		                "stream \"%s\" stands among the stages of %s \"%s\": write from = … or to = … before it",
		                d->name, word, flow->name);
	else if (!d || (d->kind != FL_D_PLUGIN && d->kind != FL_D_SCRIPT))
		fl_reading_fail(r, flow->opts_line,
		                "stage %d of %s \"%s\" is a %s: a stage is plugin \"name\" { … } or script \"path\" { … }",
		                place, word, flow->name, d ? fl_decl_word(d->kind) : luaL_typename(L, -1));
	if (r->failed)
		l_stop(L);
	d->used = 1;
	flow->stage = fl_realloc(flow->stage, (flow->stages + 1) * sizeof *flow->stage);
	flow->stage[flow->stages++] = (uint32_t)(d - r->decl);
}

/* The highest index of the table at idx: entries that are nil leave holes. */
static int highest(lua_State *L, struct fl_reading *r, int idx, int line)
{
	int most = 0;
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		double k = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
		if (k > MOST_DECLS) {
			fl_reading_fail(r, line, "a pipeline has %d stages at most", MOST_DECLS);
			l_stop(L);
		}
		most = k > most ? (int)k : most;
	}
	return most;
}

static int l_fill(lua_State *L)
{
	struct fl_reading *r = reading_of(L);
	struct fl_decl *d = fl_words_decl(L, r, 1);
	int line = line_of(L);
	lua_settop(L, 2);
	if (d && d->kind == FL_D_TIME)
		fl_reading_fail(r, line, "time \"%s\" takes no table", d->name);
	else if (d && lua_type(L, 2) != LUA_TTABLE)
		fl_reading_fail(r, line, "%s \"%s\" takes a table: write %s \"%s\" { … }", fl_decl_word(d->kind), d->name,
		                fl_decl_word(d->kind), d->name);
	else if (d && d->opts_line)
		fl_reading_fail(r, line, "%s \"%s\" has its table already, in line %d", fl_decl_word(d->kind), d->name,
		                d->opts_line);
	if (!d || r->failed)
		l_stop(L);
	d->opts_line = line;
	int flags = is_flow(d->kind) ? FL_SKIP_LIST : d->kind == FL_D_STREAM ? FL_MIXED_TIME : 0;
	if (fl_value_of(L, r, 2, line, flags, &d->opts) != 0)
		l_stop(L);
	int most = is_flow(d->kind) ? highest(L, r, 2, line) : 0;
	for (int i = 1; i <= most; i++) {
		lua_rawgeti(L, 2, i);
		add_stage(L, r, d, i);
		lua_pop(L, 1);
	}
	lua_settop(L, 1);
	return 1;
}

static int l_opaque(lua_State *L)
{
	struct fl_reading *r = reading_of(L);
	struct fl_decl *d = fl_words_decl(L, r, 1);
	fl_reading_fail(r, line_of(L), "%s \"%s\" can only be handed on: it has no fields",
	                d ? fl_decl_word(d->kind) : "a handle", d ? d->name : "");
	l_stop(L);
}

static int l_say(lua_State *L)
{
	struct fl_decl *d = fl_words_decl(L, reading_of(L), 1);
	lua_pushfstring(L, "%s \"%s\"", d ? fl_decl_word(d->kind) : "handle", d ? d->name : "");
	return 1;
}

/* ---- the others ------------------------------------------------------------------------------------------------ */

static int l_app(lua_State *L)
{
	struct fl_reading *r = reading_of(L);
	const char *name = name_of(L, r, "app", 0);
	if (r->app) {
		fl_reading_fail(r, line_of(L), "app \"%s\": the conf has its name in line %d already", name, r->app_line);
		l_stop(L);
	}
	r->app = fl_strdup(name);
	r->app_line = line_of(L);
	return 0;
}

static int l_env(lua_State *L)
{
	struct fl_reading *r = reading_of(L);
	const char *name = name_of(L, r, "env", 1);
	const char *value = r->depth == FL_TEXT_ALONE ? NULL : getenv(name);
	if (!value || !value[0])
		return 0;
	fl_secret_add(value);
	lua_pushstring(L, value);
	return 1;
}

/* kafka { … } and option { … } */
static int l_table(lua_State *L)
{
	struct fl_reading *r = reading_of(L);
	int is_kafka = (int)lua_tointeger(L, lua_upvalueindex(2)), line = line_of(L);
	struct fl_value *to = is_kafka ? &r->kafka : &r->option;
	const char *word = is_kafka ? "kafka" : "option";
	if (lua_type(L, 1) != LUA_TTABLE)
		fl_reading_fail(r, line, "%s takes a table: write %s { name = value }", word, word);
	else if (to->line)
		fl_reading_fail(r, line, "%s { } stands in line %d already: write it once", word, to->line);
	if (r->failed || fl_value_of(L, r, 1, line, 0, to) != 0)
		l_stop(L);
	if (to->kind == FL_V_LIST && to->n) {
		fl_reading_fail(r, line, "%s takes names: write %s { name = value }", word, word);
		l_stop(L);
	}
	to->kind = FL_V_MAP;
	return 0;
}

static void set(lua_State *L, struct fl_reading *r, const char *name, lua_CFunction f, int second)
{
	lua_pushlightuserdata(L, r);
	lua_pushinteger(L, second);
	lua_pushcclosure(L, f, 2);
	lua_setfield(L, -2, name);
}

void fl_words_open(lua_State *L, struct fl_reading *r)
{
	for (int kind = FL_D_STREAM; kind <= FL_D_TIME; kind++)
		set(L, r, fl_decl_word((enum fl_decl_kind)kind), l_declare, kind);
	set(L, r, "app", l_app, 0);
	set(L, r, "env", l_env, 0);
	set(L, r, "kafka", l_table, 1);
	set(L, r, "option", l_table, 0);
	luaL_newmetatable(L, HANDLE);
	set(L, r, "__call", l_fill, 0);
	set(L, r, "__index", l_opaque, 0);
	set(L, r, "__newindex", l_opaque, 0);
	set(L, r, "__tostring", l_say, 0);
	lua_pushliteral(L, "a handle");
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}
