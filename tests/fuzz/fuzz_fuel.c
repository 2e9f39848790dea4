/* The fuel rewriter on random programs: what Lua takes must still be taken with its counts, or be refused with a
 * sentence. The first byte chooses: a text as it stands, or a program that the other bytes build by a grammar, since
 * random bytes are hardly ever Lua. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "base/buf.h"
#include "script/fuel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
	const uint8_t *p, *end;
	struct fl_buf out;
	int depth, labels;
};

static unsigned pick(struct source *s, unsigned n) { return s->p < s->end ? *s->p++ % n : 0; }

static void put(struct source *s, const char *text) { fl_buf_add(&s->out, text, strlen(text)); }

static void put_space(struct source *s)
{
	static const char *const spaces[] = {" ", "\n", " -- do end\n", " --[[ while do ]] ", "\r\n", " --[==[ ]] function\n]==]", "\t"};
	put(s, spaces[pick(s, 7)]);
}

static void put_block(struct source *s);

static void put_value(struct source *s)
{
	static const char *const atoms[] = {"nil", "x", "1", "0x1p+4", "'do \\' end'", "[[ repeat\n]]", "\"\\z\n  while\"", "...", "3LL", ".5e-1",
		"{x = 1, 2; 3}", "t.x", "t:x(1)", "-x", "not x", "#t", "x .. 1 .. '.'", "[=[ ]] ]=]", "x[1][ [[a]] ]", "(x)(y)", "'\\\n::a::'"};
	unsigned kind = s->depth > 12 ? 1 : pick(s, 24);
	if (kind >= 21) {
		put(s, kind == 21 ? "function(a, b)" : kind == 22 ? "(function(...)" : "function()");
		put_block(s);
		put(s, kind == 22 ? "end)()" : "end");
	} else {
		put(s, atoms[kind]);
	}
	put_space(s);
}

static void put_pair(struct source *s, const char *before, const char *after)
{
	put(s, before);
	put_value(s);
	put(s, after);
	put_block(s);
}

static void put_statement(struct source *s)
{
	switch (s->depth > 12 ? 12 : pick(s, 16)) {
	case 0: put_pair(s, "while ", " do"); put(s, "end"); break;
	case 1: put_pair(s, "for i = 1, ", " do"); put(s, "end"); break;
	case 2: put_pair(s, "for k, v in ", " do"); put(s, "end"); break;
	case 3: put(s, "repeat"); put_block(s); put(s, "until "); put_value(s); break;
	case 4: put_pair(s, "if ", " then"); put_pair(s, "elseif ", " then"); put(s, "else"); put_block(s); put(s, "end"); break;
	case 5: put(s, "function t.a:b(x, ...)"); put_block(s); put(s, "end"); break;
	case 6: put(s, "local function f(y)"); put_block(s); put(s, "end"); break;
	case 7: put(s, "do"); put_block(s); put(s, "end"); break;
	case 8: fl_buf_printf(&s->out, "::l%d::", s->labels++); break;
	case 9: fl_buf_printf(&s->out, "goto l%d", (int)pick(s, 4)); break;
	case 10: put(s, "local y, z = "); put_value(s); break;
	case 11: fl_buf_printf(&s->out, "do return %s end", pick(s, 2) ? "x" : ""); break;
	case 13: put(s, "::l0::"); break;
	case 14: put(s, "goto l0"); break;
	case 15: put(s, "do local y goto l1 ; local z ::l1:: end"); break;
	default: put(s, "x = "); put_value(s); break;
	}
	put(s, pick(s, 3) ? "\n" : ";");
	put_space(s);
}

static void put_block(struct source *s)
{
	put_space(s);
	s->depth++;
	for (unsigned n = pick(s, 4); n; n--)
		put_statement(s);
	s->depth--;
	put_space(s);
}

static int expected(const char *msg)
{
	static const char *const parts[] = {"upvalues", "levels", "registers", "too long", "has more than", "limit", "memory"};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (strstr(msg, parts[i]))
			return 1;
	return 0;
}

static void fail(const char *what, const char *src, size_t len)
{
	fprintf(stderr, "%s\n%.*s\n", what, (int)len, src);
	abort();
}

static void check(lua_State *L, const char *src, size_t len)
{
	char err[FL_ERRLEN] = "";
	size_t outlen;
	int valid = luaL_loadbufferx(L, src, len, "=x", "t") == 0;
	char *out = fl_fuel_rewrite(src, len, &outlen, err);
	if (!out && strlen(err) < 10)
		fail("refused without a sentence", src, len);
	if (!out && valid && !strstr(err, "reserved") && !strstr(err, "nested"))
		fail(err, src, len);
	if (out && valid && luaL_loadbufferx(L, out, outlen, "=x", "t") && !expected(lua_tostring(L, -1)))
		fail(lua_tostring(L, -1), out, outlen);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	lua_State *L = luaL_newstate();
	luaL_openlibs(L); /* without ffi a literal like 3LL corrupts LuaJIT's memory */
	struct source s = {.p = data + 1, .end = data + size};
	if (data[0] & 1) {
		while (s.p < s.end && s.out.len < 100000)
			put_statement(&s);
		check(L, s.out.p ? s.out.p : "", s.out.len);
	} else {
		check(L, (const char *)s.p, size - 1);
	}
	fl_buf_free(&s.out);
	lua_close(L);
	return 0;
}
