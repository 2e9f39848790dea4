/* Lua's string patterns, matched by the host so that their steps can be limited: a short pattern can keep the usual
 * matcher busy for hours, in C, where no count of the script's own reaches. Called from scripts on their worker's thread.
 *
 * A pattern is read anew at each try, as Lua does it, so that one that is malformed where matching never gets to is no
 * error; a zero byte ends it. Everything here may raise and holds no memory but Lua's. */
#include "pattern.h"

#include <string.h>

#include <lauxlib.h>

#include "../fairlead.h"

#define CAPTURES 32
#define DEEPEST 200
#define SPECIALS "^$*+?.([%-"

enum { OPEN = -1, PLACE = -2 }; /* lengths of captures that have none */

struct match {
	lua_State *L;
	int64_t *steps;
	const char *begin, *end; /* the subject; a zero byte stands behind it */
	int depth, captures;
	struct {
		const char *at;
		ptrdiff_t len;
	} capture[CAPTURES];
};

static const char *match_at(struct match *m, const char *s, const char *p);

static inline void charge(lua_State *L, int64_t *steps, int64_t n)
{
	if ((*steps -= n) < 0)
		luaL_error(L, "pattern took too many steps");
}

static const char *deeper(struct match *m, const char *s, const char *p)
{
	if (++m->depth > DEEPEST)
		luaL_error(m->L, "pattern too complex");
	const char *e = match_at(m, s, p);
	m->depth--;
	return e;
}

static inline int is_between(unsigned char c, int low, int high) { return c >= low && c <= high; }
static inline int is_alpha(unsigned char c) { return is_between(c | 0x20, 'a', 'z'); }
static inline int is_digit(unsigned char c) { return is_between(c, '0', '9'); }

/* Whether c is one of the class that the letter names; any other letter stands for itself. */
static int in_class(unsigned char c, unsigned char letter)
{
	int is;
	switch (letter | 0x20) {
	case 'a': is = is_alpha(c); break;
	case 'c': is = c < 32 || c == 127; break;
	case 'd': is = is_digit(c); break;
	case 'g': is = is_between(c, 33, 126); break;
	case 'l': is = is_between(c, 'a', 'z'); break;
	case 'p': is = is_between(c, 33, 126) && !is_alpha(c) && !is_digit(c); break;
	case 's': is = c == ' ' || is_between(c, 9, 13); break;
	case 'u': is = is_between(c, 'A', 'Z'); break;
	case 'w': is = is_alpha(c) || is_digit(c); break;
	case 'x': is = is_digit(c) || is_between(c | 0x20, 'a', 'f'); break;
	case 'z': is = c == 0; break;
	default: return letter == c;
	}
	return letter & 0x20 ? is : !is;
}

/* Behind the item (a character, class or set) that begins at p. */
static const char *item_end(struct match *m, const char *p)
{
	if (*p == '%') {
		if (!p[1])
			luaL_error(m->L, "malformed pattern (ends with '%%')");
		return p + 2;
	}
	if (*p != '[')
		return p + 1;
	const char *q = p + (p[1] == '^' ? 2 : 1);
	do { /* the first one is a member even if it is ']' */
		if (!*q)
			luaL_error(m->L, "malformed pattern (missing ']')");
		q += *q == '%' && q[1] ? 2 : 1;
	} while (*q != ']');
	return q + 1;
}

/* p is the '[' of a set, last its ']'. */
static int in_set(unsigned char c, const char *p, const char *last)
{
	int found = 1;
	if (*++p == '^') {
		found = 0;
		p++;
	}
	while (p < last) {
		if (*p == '%') {
			if (in_class(c, (unsigned char)p[1]))
				return found;
			p += 2;
		} else if (p[1] == '-' && p + 2 < last) {
			if (is_between(c, (unsigned char)p[0], (unsigned char)p[2]))
				return found;
			p += 3;
		} else if ((unsigned char)*p++ == c) {
			return found;
		}
	}
	return !found;
}

/* Whether the item from p to after stands for the byte at s. Costs a step, a long set more. */
static int fits(struct match *m, const char *s, const char *p, const char *after)
{
	charge(m->L, m->steps, 1 + ((after - p) >> 2));
	if (s == m->end)
		return 0;
	unsigned char c = (unsigned char)*s;
	switch (*p) {
	case '.':
		return 1;
	case '%':
		return in_class(c, (unsigned char)p[1]);
	case '[':
		return in_set(c, p, after - 1);
	default:
		return (unsigned char)*p == c;
	}
}

static const char *most_first(struct match *m, const char *s, const char *p, const char *after)
{
	const char *at = s;
	while (fits(m, at, p, after))
		at++;
	for (;; at--) {
		const char *e = deeper(m, at, after + 1);
		if (e || at == s)
			return e;
	}
}

static const char *least_first(struct match *m, const char *s, const char *p, const char *after)
{
	for (;; s++) {
		const char *e = deeper(m, s, after + 1);
		if (e || !fits(m, s, p, after))
			return e;
	}
}

static const char *open_capture(struct match *m, const char *s, const char *p)
{
	if (m->captures >= CAPTURES)
		luaL_error(m->L, "too many captures");
	int place = p[1] == ')';
	m->capture[m->captures].at = s;
	m->capture[m->captures++].len = place ? PLACE : OPEN;
	const char *e = deeper(m, s, p + 1 + place);
	if (!e)
		m->captures--;
	return e;
}

static const char *close_capture(struct match *m, const char *s, const char *p)
{
	int i = m->captures - 1;
	while (i >= 0 && m->capture[i].len != OPEN)
		i--;
	if (i < 0)
		luaL_error(m->L, "invalid pattern capture");
	m->capture[i].len = s - m->capture[i].at;
	const char *e = deeper(m, s, p + 1);
	if (!e)
		m->capture[i].len = OPEN;
	return e;
}

/* %b(): behind the balanced run that begins at s, NULL if none does. */
static const char *match_balance(struct match *m, const char *s, const char *p)
{
	if (!p[2] || !p[3])
		luaL_error(m->L, "unbalanced pattern");
	if (s == m->end || *s != p[2])
		return NULL;
	for (int64_t open = 1; ++s < m->end;) {
		charge(m->L, m->steps, 1);
		if (*s == p[3]) {
			if (--open == 0)
				return s + 1;
		} else if (*s == p[2]) {
			open++;
		}
	}
	return NULL;
}

/* %f[set]: whether s stands between a byte outside the set and one in it; the ends count as zero bytes. *after: behind
 * the set. */
static int match_frontier(struct match *m, const char *s, const char *p, const char **after)
{
	if (p[2] != '[')
		luaL_error(m->L, "missing '[' after '%%f' in pattern");
	*after = item_end(m, p + 2);
	charge(m->L, m->steps, (*after - p) >> 1);
	unsigned char before = s == m->begin ? 0 : (unsigned char)s[-1];
	return !in_set(before, p + 2, *after - 1) && in_set((unsigned char)*s, p + 2, *after - 1);
}

/* %1: behind what capture 1 holds, if the subject goes on with the same. */
static const char *match_again(struct match *m, const char *s, char digit)
{
	int i = digit - '1';
	if (i < 0 || i >= m->captures || m->capture[i].len == OPEN)
		luaL_error(m->L, "invalid capture index");
	ptrdiff_t len = m->capture[i].len;
	if (len == PLACE || m->end - s < len)
		return NULL;
	charge(m->L, m->steps, 1 + (len >> 4));
	return memcmp(s, m->capture[i].at, (size_t)len) == 0 ? s + len : NULL;
}

/* A % that is no class; NULL: no match. *next: where the pattern goes on. */
static const char *match_special(struct match *m, const char *s, const char *p, const char **next)
{
	*next = p + (p[1] == 'b' ? 4 : 2);
	if (p[1] == 'b')
		return match_balance(m, s, p);
	if (p[1] == 'f')
		return match_frontier(m, s, p, next) ? s : NULL;
	return match_again(m, s, p[1]);
}

static int is_special(const char *p)
{
	return *p == '%' && (p[1] == 'b' || p[1] == 'f' || is_digit((unsigned char)p[1]));
}

/* Where the match ends that begins at s with the pattern's rest p; NULL: nowhere. */
static const char *match_at(struct match *m, const char *s, const char *p)
{
	while (*p) {
		if (*p == '(')
			return open_capture(m, s, p);
		if (*p == ')')
			return close_capture(m, s, p);
		if (*p == '$' && !p[1])
			return s == m->end ? s : NULL;
		if (is_special(p)) {
			charge(m->L, m->steps, 1);
			s = match_special(m, s, p, &p);
			if (!s)
				return NULL;
			continue;
		}
		const char *after = item_end(m, p), *e;
		if (*after == '*')
			return most_first(m, s, p, after);
		if (*after == '-')
			return least_first(m, s, p, after);
		int fit = fits(m, s, p, after);
		if (*after == '+')
			return fit ? most_first(m, s + 1, p, after) : NULL;
		if (*after == '?') {
			if (fit && (e = deeper(m, s + 1, after + 1)))
				return e;
			p = after + 1;
		} else if (fit) {
			s++;
			p = after;
		} else {
			return NULL;
		}
	}
	return s;
}

static const char *match_first(struct match *m, const char *s, const char *p)
{
	m->depth = 1;
	m->captures = 0;
	charge(m->L, m->steps, 1);
	return match_at(m, s, p);
}

/* The capture's text or place; where a pattern has none, the first is the whole match. */
static void push_capture(struct match *m, int i, const char *s, const char *e)
{
	if (i >= m->captures && i != 0)
		luaL_error(m->L, "invalid capture index");
	else if (i >= m->captures)
		lua_pushlstring(m->L, s, (size_t)(e - s));
	else if (m->capture[i].len == PLACE)
		lua_pushinteger(m->L, m->capture[i].at - m->begin + 1);
	else if (m->capture[i].len == OPEN)
		luaL_error(m->L, "unfinished capture");
	else
		lua_pushlstring(m->L, m->capture[i].at, (size_t)m->capture[i].len);
}

/* All captures, or the whole match if there are none; s NULL: captures only. */
static int push_captures(struct match *m, const char *s, const char *e)
{
	int n = m->captures == 0 && s ? 1 : m->captures;
	luaL_checkstack(m->L, n, "too many captures");
	for (int i = 0; i < n; i++)
		push_capture(m, i, s, e);
	charge(m->L, m->steps, n);
	return n;
}

static struct match subject(lua_State *L)
{
	size_t len;
	struct match m = {.L = L, .steps = lua_touserdata(L, lua_upvalueindex(1))};
	m.begin = luaL_checklstring(L, 1, &len);
	m.end = m.begin + len;
	return m;
}

static int has_specials(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] && strchr(SPECIALS, p[i]))
			return 1;
	return 0;
}

/* The positions of a plain text, searched from s on. */
static int find_plain(struct match *m, const char *s, const char *text, size_t len)
{
	const char *at = memmem(s, (size_t)(m->end - s), text, len);
	charge(m->L, m->steps, 1 + (((at ? at : m->end) - s) >> 4));
	if (!at) {
		lua_pushnil(m->L);
		return 1;
	}
	lua_pushinteger(m->L, at - m->begin + 1);
	lua_pushinteger(m->L, at - m->begin + (ptrdiff_t)len);
	return 2;
}

/* find and match: find has the positions before the captures. */
static int search(lua_State *L, int find)
{
	struct match m = subject(L);
	size_t len;
	const char *p = luaL_checklstring(L, 2, &len), *e;
	ptrdiff_t size = m.end - m.begin, from = luaL_optinteger(L, 3, 1);
	from = from < 0 ? from + size : from - 1;
	const char *s = m.begin + (from < 0 ? 0 : from > size ? size : from);
	if (find && (lua_toboolean(L, 4) || !has_specials(p, len)))
		return find_plain(&m, s, p, len);
	int anchored = *p == '^';
	p += anchored;
	do {
		if (!(e = match_first(&m, s, p)))
			continue;
		if (!find)
			return push_captures(&m, s, e);
		lua_pushinteger(L, s - m.begin + 1);
		lua_pushinteger(L, e - m.begin);
		return push_captures(&m, NULL, NULL) + 2;
	} while (s++ < m.end && !anchored);
	lua_pushnil(L);
	return 1;
}

static int l_find(lua_State *L) { return search(L, 1); }
static int l_match(lua_State *L) { return search(L, 0); }

/* One round of gmatch. Upvalues: steps, subject, pattern, where to go on. */
static int l_gmatch_next(lua_State *L)
{
	size_t len;
	struct match m = {.L = L, .steps = lua_touserdata(L, lua_upvalueindex(1))};
	const char *p = lua_tostring(L, lua_upvalueindex(3)), *e;
	m.begin = lua_tolstring(L, lua_upvalueindex(2), &len);
	m.end = m.begin + len;
	for (const char *s = m.begin + lua_tointeger(L, lua_upvalueindex(4)); s <= m.end; s++) {
		if (!(e = match_first(&m, s, p)))
			continue;
		lua_pushinteger(L, e - m.begin + (e == s)); /* an empty match goes on one further */
		lua_replace(L, lua_upvalueindex(4));
		return push_captures(&m, s, e);
	}
	return 0;
}

static int l_gmatch(lua_State *L)
{
	luaL_checkstring(L, 1);
	luaL_checkstring(L, 2);
	lua_settop(L, 2);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, l_gmatch_next, 4);
	return 1;
}

static void add(struct match *m, luaL_Buffer *out, const char *p, size_t len)
{
	charge(m->L, m->steps, 1 + (int64_t)(len >> 4));
	luaL_addlstring(out, p, len);
}

/* Adds the value at the top of the stack and takes it away. */
static void add_top(struct match *m, luaL_Buffer *out)
{
	size_t len;
	lua_tolstring(m->L, -1, &len);
	charge(m->L, m->steps, 1 + (int64_t)(len >> 4));
	luaL_addvalue(out);
}

/* The replacement text, %0 to %9 in it being captures. */
static void add_template(struct match *m, luaL_Buffer *out, const char *s, const char *e)
{
	size_t len;
	const char *text = lua_tolstring(m->L, 3, &len), *end = text + len;
	while (text < end) {
		const char *percent = memchr(text, '%', (size_t)(end - text));
		add(m, out, text, (size_t)((percent ? percent : end) - text));
		if (!percent)
			return;
		text = percent + 2; /* a % at the end takes the zero byte behind it, as in Lua */
		if (percent[1] == '0') {
			add(m, out, s, (size_t)(e - s));
		} else if (is_digit((unsigned char)percent[1])) {
			push_capture(m, percent[1] - '1', s, e);
			add_top(m, out);
		} else {
			add(m, out, percent + 1, 1);
		}
	}
}

static void add_replacement(struct match *m, luaL_Buffer *out, const char *s, const char *e)
{
	lua_State *L = m->L;
	if (lua_type(L, 3) == LUA_TFUNCTION) {
		lua_pushvalue(L, 3);
		lua_call(L, push_captures(m, s, e), 1);
	} else if (lua_type(L, 3) == LUA_TTABLE) {
		push_capture(m, 0, s, e);
		lua_gettable(L, 3);
	} else {
		add_template(m, out, s, e);
		return;
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		add(m, out, s, (size_t)(e - s));
		return;
	}
	if (!lua_isstring(L, -1))
		luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	add_top(m, out);
}

static int l_gsub(lua_State *L)
{
	struct match m = subject(L);
	const char *s = m.begin, *p = luaL_checkstring(L, 2), *e;
	int kind = lua_type(L, 3);
	ptrdiff_t most = luaL_optinteger(L, 4, m.end - m.begin + 1), n = 0;
	if (kind != LUA_TNUMBER && kind != LUA_TSTRING && kind != LUA_TTABLE && kind != LUA_TFUNCTION)
		luaL_argerror(L, 3, "string/function/table expected");
	int anchored = *p == '^';
	p += anchored;
	luaL_Buffer out;
	luaL_buffinit(L, &out);
	while (n < most) {
		if ((e = match_first(&m, s, p))) {
			n++;
			add_replacement(&m, &out, s, e);
		}
		if (e && e > s)
			s = e;
		else if (s < m.end)
			luaL_addchar(&out, *s++);
		else
			break;
		if (anchored)
			break;
	}
	add(&m, &out, s, (size_t)(m.end - s));
	luaL_pushresult(&out);
	lua_pushinteger(L, n);
	return 2;
}

void fl_pattern_open(lua_State *L, int64_t *steps)
{
	static const luaL_Reg functions[] = {{"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch}, {"gsub", l_gsub}};
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
		lua_pushlightuserdata(L, steps);
		lua_pushcclosure(L, functions[i].func, 1);
		lua_setfield(L, -2, functions[i].name);
	}
}
