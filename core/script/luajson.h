/* JSON texts to Lua values and back, exactly. */
#ifndef FL_SCRIPT_LUAJSON_H
#define FL_SCRIPT_LUAJSON_H

#include <lua.h>

#include "../base/buf.h"

#define FL_LUA_JSON_DEPTH 64
#define FL_LUA_JSON_MAX ((size_t)16 << 20) /* bytes of one value written */

/* Puts encode, decode, array, null and int into the table at the top of the stack. After fl_lua_int_open. */
void fl_lua_json_open(lua_State *L);

/* Pushes the value of a JSON text: objects and arrays as tables (arrays marked, so that an empty one stays one), null as
 * fl_lua_null, integers beyond 2^53 exact. -1: nothing pushed, err says what is wrong. May raise (memory). */
int fl_lua_json_push(lua_State *L, struct fl_str text, char *err);

/* Appends the value at idx as JSON: keys sorted by their bytes, no white space. -1: err says which part can't be JSON
 * ("a.b[3]: nan is not JSON"), out is as before. May raise (memory), and then leaves part of the text in out. No
 * function of Lua is called: metatables do not count, but for the mark of an array. */
int fl_lua_json_add(lua_State *L, int idx, struct fl_buf *out, char *err);

void fl_lua_null(lua_State *L);           /* pushes json.null; it is the light userdata NULL */
void fl_lua_array(lua_State *L, int idx); /* marks the table at idx as an array */

#endif
