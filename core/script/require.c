/* require "lib.geo": a file below the scripts' lib directory, run once in the script's own sandbox. Called by
 * sandbox.lua while the script loads. */
#include <stdlib.h>

#include "inner.h"

/* lib.geo, lib.units.wind: names of letters, digits, '_' and '-' with dots between. */
static int good_name(const char *name)
{
	if (strncmp(name, "lib.", 4) != 0 || strlen(name) > 200)
		return 0;
	for (const char *p = name; *p; p++) {
		int letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' ||
			*p == '-';
		if (!letter && !(*p == '.' && p[1] && p[1] != '.'))
			return 0;
	}
	return 1;
}

static int l_load(lua_State *L)
{
	struct fl_script *sc = fl_script_of(L);
	const char *name = lua_tostring(L, 1);
	if (!sc->conf.lib)
		return fl_lua_raise(L, "require \"%s\": there is no lib directory here", name);
	if (!good_name(name))
		return fl_lua_raise(L, "require \"%s\": only files of the scripts' lib directory can be had, "
			"as require \"lib.geo\"", name);
	char file[256], path[4096], err[FL_ERRLEN];
	snprintf(file, sizeof file, "%s", name);
	for (char *p = file; *p; p++)
		if (*p == '.')
			*p = '/';
	strcat(file, ".lua"); /* name has at most 200 bytes */
	snprintf(path, sizeof path, "%s/%s", sc->conf.lib, file);
	if (fl_sandbox_load(sc, L, path, file, err) < 0)
		return fl_lua_raise(L, "require \"%s\": %s", name, err);
	lua_call(L, 0, 1);
	return 1;
}

void fl_require_open(struct fl_script *sc)
{
	static const luaL_Reg functions[] = {{"load", l_load}, {NULL, NULL}};
	luaL_register(sc->L, NULL, functions);
}
