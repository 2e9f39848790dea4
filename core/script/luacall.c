/* Every entry into Lua: the protected call, what was raised and where, and the allocator that caps a script's memory.
 * Called by the other files of this layer on the thread that has the script at the time. */
#include <stdarg.h>

#include "inner.h"

#define LARGE 1024                     /* blocks from here on count as volume */
#define VOLUME_OF(cap) ((cap) * 16)    /* what one event may ask for in all: bounds the time that copying takes */
#define TRACE_LEVELS 12

/* ---- memory ---------------------------------------------------------------------------------------------------- */

/* The allocator never says no. Where compiled code runs out of memory, Debian's LuaJIT looks for the stack where it is
 * not (mended upstream in 2023), so an error raised there may crash the process. Instead the whole call is left at once, as
 * LuaJIT's own throw would leave it; the thread that ran it is not touched again, and the state is soon closed. */
static void give_up(struct fl_script *sc, uint32_t trouble)
{
	sc->sh.trouble = trouble;
	sc->inside = 0;
	longjmp(sc->escape, 1);
}

/* Whether an event has asked for more in large pieces than can be copied in reasonable time. */
static int too_much(struct fl_script *sc, size_t n)
{
	if (sc->volume_event != sc->sh.event) {
		sc->volume_event = sc->sh.event;
		sc->volume = 0;
	}
	sc->volume += n;
	return sc->volume > VOLUME_OF(sc->cap);
}

void *fl_script_alloc(void *ud, void *p, size_t was, size_t n)
{
	struct fl_script *sc = ud;
	if (n > was && sc->inside) {
		if (sc->used - was + n > sc->cap)
			give_up(sc, FL_TROUBLE_MEMORY);
		if (n >= LARGE && too_much(sc, n))
			give_up(sc, FL_TROUBLE_VOLUME);
	}
	sc->used += n - was;
	return fl_pool_realloc(&sc->pool, p, was, n);
}

/* ---- places in the script -------------------------------------------------------------------------------------- */

/* Files of scripts have names with '@', the host's own Lua has '='. */
static int of_script(lua_State *L, int level, lua_Debug *ar)
{
	return lua_getstack(L, level, ar) && lua_getinfo(L, "S", ar) && ar->source[0] == '@' && lua_getinfo(L, "l", ar) &&
	       ar->currentline > 0;
}

int fl_lua_where(lua_State *L, char *at, size_t size)
{
	lua_Debug ar;
	for (int level = 0; lua_getstack(L, level, &ar); level++)
		if (of_script(L, level, &ar)) {
			snprintf(at, size, "%s:%d", ar.source + 1, ar.currentline);
			return 1;
		}
	return 0;
}

static void trace(lua_State *L, struct fl_buf *to)
{
	lua_Debug ar;
	int shown = 0;
	to->len = 0;
	for (int level = 0; lua_getstack(L, level, &ar); level++) {
		if (!of_script(L, level, &ar))
			continue;
		lua_getinfo(L, "n", &ar);
		if (shown++ == TRACE_LEVELS) {
			fl_buf_printf(to, "\n\t...");
			break;
		}
		fl_buf_printf(to, "\n\t%s:%d: in ", ar.source + 1, ar.currentline);
		if (ar.name)
			fl_buf_printf(to, "function '%s'", ar.name);
		else if (*ar.what == 'm')
			fl_buf_printf(to, "the file");
		else
			fl_buf_printf(to, "the function of line %d", ar.linedefined);
	}
}

int fl_lua_raise(lua_State *L, const char *fmt, ...)
{
	char at[256];
	if (fl_lua_where(L, at, sizeof at))
		lua_pushfstring(L, "%s: ", at);
	else
		lua_pushliteral(L, "");
	va_list ap;
	va_start(ap, fmt);
	lua_pushvfstring(L, fmt, ap);
	va_end(ap);
	lua_concat(L, 2);
	return lua_error(L);
}

/* ---- fuel ------------------------------------------------------------------------------------------------------ */

/* The prelude's __a. The first time it says where; from then on it raises the same again. */
int fl_lua_exhausted(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	if (sc->sh.trouble != FL_TROUBLE_FUEL) {
		sc->sh.trouble = FL_TROUBLE_FUEL;
		if (!fl_lua_where(L, sc->at, sizeof sc->at))
			snprintf(sc->at, sizeof sc->at, "%s", sc->conf.name);
	}
	char n[32];
	int64_t fuel = sc->conf.fuel;
	if (fuel >= 1000000)
		snprintf(n, sizeof n, "%d,%03d,%03d", (int)(fuel / 1000000), (int)(fuel / 1000 % 1000), (int)(fuel % 1000));
	else if (fuel >= 1000)
		snprintf(n, sizeof n, "%d,%03d", (int)(fuel / 1000), (int)(fuel % 1000));
	else
		snprintf(n, sizeof n, "%d", (int)fuel);
	lua_pushfstring(L, "%s: this %s used more than %s steps (a loop that does not end?); "
		"raise it with fuel = … in the conf",
		sc->at, sc->phase == FL_PHASE_EVENTS ? "event" : "call", n);
	return lua_error(L);
}

/* ---- the protected call ---------------------------------------------------------------------------------------- */

/* What was raised as a text. An error may be any value; __tostring is called protected. */
static void describe(lua_State *L, struct fl_buf *to)
{
	size_t n;
	const char *p;
	to->len = 0;
	int type = lua_type(L, 1);
	if (type != LUA_TSTRING && type != LUA_TNUMBER && luaL_getmetafield(L, 1, "__tostring")) {
		lua_pushvalue(L, 1);
		if (lua_pcall(L, 1, 1, 0) == 0 && lua_type(L, -1) == LUA_TSTRING)
			lua_replace(L, 1);
		type = lua_type(L, 1);
	}
	if (type == LUA_TSTRING || type == LUA_TNUMBER) {
		lua_pushvalue(L, 1);
		p = lua_tolstring(L, -1, &n);
		fl_buf_add(to, p, n > 4096 ? 4096 : n);
	} else {
		fl_buf_printf(to, "an error that is a %s, not a text", lua_typename(L, type));
	}
}

/* "name:12: …" says where by itself: what error(text, 2) means counts more than the innermost line. */
static int said_where(struct fl_script *sc)
{
	const char *p = sc->text.p;
	size_t n = sc->text.len, name = strlen(sc->conf.name), k;
	if (n > name + 1 && memcmp(p, sc->conf.name, name) == 0 && p[name] == ':')
		k = name + 1;
	else
		return 0;
	size_t digits = k;
	while (k < n && p[k] >= '0' && p[k] <= '9')
		k++;
	if (k == digits || k == n || p[k] != ':')
		return 0;
	if (p[digits] == '0') { /* a stack overflow in compiled code: LuaJIT says line 0, the frames know better */
		k += k + 1 < n && p[k + 1] == ' ' ? 2 : 1;
		memmove(sc->text.p, p + k, n - k);
		sc->text.len = n - k;
		return 0;
	}
	snprintf(sc->at, sizeof sc->at, "%.*s", (int)k, p);
	return 1;
}

static int handler(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	lua_settop(L, 1);
	describe(L, &sc->text);
	if (!said_where(sc) && !fl_lua_where(L, sc->at, sizeof sc->at))
		snprintf(sc->at, sizeof sc->at, "%s", sc->conf.name); /* a tail call left no line */
	trace(L, &sc->trace);
	return 1;
}

static void memory_text(struct fl_script *sc)
{
	sc->text.len = sc->trace.len = 0;
	if (sc->sh.trouble == FL_TROUBLE_VOLUME)
		fl_buf_printf(&sc->text, "not enough memory: the script made more than %zu MiB of strings and tables in one %s",
			VOLUME_OF(sc->cap) >> 20,
			sc->phase == FL_PHASE_EVENTS ? "event" : "call");
	else
		fl_buf_printf(&sc->text, "not enough memory: the script used more than its %zu MiB; "
			"raise it with memory = … in the conf, or keep less",
			sc->cap >> 20);
}

/* The call itself, apart from what longjmp might change. 0, or what lua_pcall says. */
static int call(struct fl_script *sc, int args, int results, int base)
{
	if (setjmp(sc->escape) != 0)
		return LUA_ERRMEM;
	sc->inside = 1;
	int rc = lua_pcall(sc->L, args, results, base);
	sc->inside = 0;
	return rc;
}

int fl_lua_call(struct fl_script *sc, int args, int results)
{
	lua_State *L = sc->L;
	int base = lua_gettop(L) - args;
	lua_pushcfunction(L, handler);
	lua_insert(L, base);
	snprintf(sc->at, sizeof sc->at, "%s", sc->conf.name);
	int rc = call(sc, args, results, base);
	if (rc == 0) {
		lua_remove(L, base);
		return 0;
	}
	if (rc == LUA_ERRMEM) { /* L is where it was left: another thread of the state takes its place */
		memory_text(sc);
		sc->L = sc->spare;
		sc->spare = NULL;
		sc->left = 1;
		return -1;
	}
	if (rc == LUA_ERRERR) {
		sc->text.len = sc->trace.len = 0;
		fl_buf_printf(&sc->text, "an error while another one was handled (too deep a recursion?)");
	}
	lua_settop(L, base - 1);
	return -1;
}
