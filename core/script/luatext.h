/* Lua source as tokens: just enough to find where blocks begin and end. */
#ifndef FL_SCRIPT_LUATEXT_H
#define FL_SCRIPT_LUATEXT_H

#include <stddef.h>
#include <stdint.h>

enum fl_lua_token {
	FL_LUA_EOF,
	FL_LUA_NAME, /* a name, or a keyword that is not below */
	FL_LUA_DO,
	FL_LUA_ELSE, /* elseif too */
	FL_LUA_END,
	FL_LUA_FOR,
	FL_LUA_FUNCTION,
	FL_LUA_IF,
	FL_LUA_REPEAT,
	FL_LUA_UNTIL,
	FL_LUA_WHILE,
	FL_LUA_LABEL,     /* the two colons on either side of a label */
	FL_LUA_CLOSE,     /* a closing round bracket */
	FL_LUA_SEMICOLON,
	FL_LUA_OTHER,     /* number, string, any other sign */
};

struct fl_lua_text {
	const char *p, *end;
	const char *token; /* where the last token begins; it ends at p */
	uint32_t line;     /* of p */
};

/* Begins at the text after a byte order mark and a first line that starts with '#' (its line end stays). */
void fl_lua_text(struct fl_lua_text *t, const char *src, size_t len);
enum fl_lua_token fl_lua_next(struct fl_lua_text *t);

#endif
