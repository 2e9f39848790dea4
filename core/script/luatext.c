/* The tokens of a Lua text, as LuaJIT's own lexer sees them. Called by the fuel rewriter, when a script is loaded.
 * The text has been compiled before, so it is valid; if it were not, tokens would be wrong, but no byte outside is read. */
#include "luatext.h"

#include <string.h>

static int is_digit(unsigned char c) { return c >= '0' && c <= '9'; }

/* LuaJIT takes every byte above 127 for a letter. */
static int is_name(unsigned char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 128;
}

void fl_lua_text(struct fl_lua_text *t, const char *src, size_t len)
{
	*t = (struct fl_lua_text){src, src + len, src, 1};
	if (len >= 3 && memcmp(src, "\xef\xbb\xbf", 3) == 0)
		t->p += 3;
	if (t->p < t->end && *t->p == '#')
		while (t->p < t->end && *t->p != '\n' && *t->p != '\r')
			t->p++;
}

/* Steps over one byte and counts lines; \r\n and \n\r are one line end. */
static void step(struct fl_lua_text *t)
{
	char c = *t->p++;
	if (c != '\n' && c != '\r')
		return;
	t->line++;
	if (t->p < t->end && (*t->p == '\n' || *t->p == '\r') && *t->p != c)
		t->p++;
}

/* At a '[': the level of the long bracket that opens here, -1 if none does. */
static int long_level(const struct fl_lua_text *t)
{
	const char *p = t->p + 1;
	while (p < t->end && *p == '=')
		p++;
	return p < t->end && *p == '[' ? (int)(p - t->p) - 1 : -1;
}

static void skip_long(struct fl_lua_text *t, int level)
{
	for (t->p += level + 2; t->p < t->end;) {
		if (*t->p != ']') {
			step(t);
			continue;
		}
		const char *p = t->p + 1;
		while (p < t->end && *p == '=')
			p++;
		int closes = p < t->end && *p == ']' && p - t->p - 1 == level;
		t->p = closes ? p + 1 : p;
		if (closes)
			return;
	}
}

static void skip_string(struct fl_lua_text *t)
{
	char quote = *t->p++;
	while (t->p < t->end && *t->p != quote) {
		if (*t->p == '\\' && t->p + 1 < t->end)
			t->p++;
		step(t);
	}
	if (t->p < t->end)
		t->p++;
}

static void skip_number(struct fl_lua_text *t)
{
	char exponent = 'e', last = *t->p++;
	if (last == '0' && t->p < t->end && (*t->p | 0x20) == 'x')
		exponent = 'p';
	while (t->p < t->end) {
		unsigned char c = (unsigned char)*t->p;
		if (!is_name(c) && c != '.' && !((c == '+' || c == '-') && (last | 0x20) == exponent))
			return;
		last = *t->p++;
	}
}

/* White space and comments. */
static void skip_blank(struct fl_lua_text *t)
{
	while (t->p < t->end) {
		if (strchr(" \t\v\f\n\r", *t->p) && *t->p) {
			step(t);
		} else if (t->end - t->p >= 2 && t->p[0] == '-' && t->p[1] == '-') {
			t->p += 2;
			int level = t->p < t->end && *t->p == '[' ? long_level(t) : -1;
			if (level >= 0)
				skip_long(t, level);
			else
				while (t->p < t->end && *t->p != '\n' && *t->p != '\r')
					t->p++;
		} else {
			return;
		}
	}
}

static enum fl_lua_token word(const char *p, size_t len)
{
	static const struct {
		const char *text;
		enum fl_lua_token token;
	} words[] = {
		{"do", FL_LUA_DO}, {"else", FL_LUA_ELSE}, {"elseif", FL_LUA_ELSE}, {"end", FL_LUA_END}, {"for", FL_LUA_FOR},
		{"function", FL_LUA_FUNCTION}, {"if", FL_LUA_IF}, {"repeat", FL_LUA_REPEAT}, {"until", FL_LUA_UNTIL},
		{"while", FL_LUA_WHILE},
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i].text) == len && memcmp(words[i].text, p, len) == 0)
			return words[i].token;
	return FL_LUA_NAME;
}

static enum fl_lua_token sign(struct fl_lua_text *t)
{
	char c = *t->p++;
	if (c == ':' && t->p < t->end && *t->p == ':') {
		t->p++;
		return FL_LUA_LABEL;
	}
	return c == ')' ? FL_LUA_CLOSE : c == ';' ? FL_LUA_SEMICOLON : FL_LUA_OTHER;
}

enum fl_lua_token fl_lua_next(struct fl_lua_text *t)
{
	skip_blank(t);
	t->token = t->p;
	if (t->p >= t->end)
		return FL_LUA_EOF;
	unsigned char c = (unsigned char)*t->p;
	int level;
	if (is_digit(c) || (c == '.' && t->end - t->p >= 2 && is_digit((unsigned char)t->p[1]))) {
		skip_number(t);
		return FL_LUA_OTHER;
	}
	if (is_name(c)) {
		while (t->p < t->end && is_name((unsigned char)*t->p))
			t->p++;
		return word(t->token, (size_t)(t->p - t->token));
	}
	if (c == '"' || c == '\'')
		skip_string(t);
	else if (c == '[' && (level = long_level(t)) >= 0)
		skip_long(t, level);
	else if (c == '.')
		while (t->p < t->end && *t->p == '.') /* ".." and "..." are one sign, so that "...5" is no number */
			t->p++;
	else
		return sign(t);
	return FL_LUA_OTHER;
}
