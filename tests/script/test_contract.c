/* The cases in spec/contract, which busted runs against the stand-in, in the host. */
#include "script_helper.h"

#include <lauxlib.h>
#include <lualib.h>

#include "../../core/script/luaint.h"
#include "../../core/script/luajson.h"

static lua_State *cases; /* holds the case files as Lua values */

static struct fl_buf scratch[2];

static struct fl_str text_of(int idx, int which)
{
	char err[FL_ERRLEN];
	scratch[which].len = 0;
	if (fl_lua_json_add(cases, idx, &scratch[which], err) < 0)
		fail_msg("%s", err);
	return (struct fl_str){scratch[which].p, (uint32_t)scratch[which].len};
}

/* A JSON text with its keys sorted and so on, terminated. */
static char *canonical(struct fl_str text)
{
	char err[FL_ERRLEN];
	if (fl_lua_json_push(cases, text, err) < 0)
		fail_msg("%s: %.*s", err, (int)text.len, text.p);
	struct fl_str s = text_of(-1, 1);
	lua_pop(cases, 1);
	return strndup(s.p, s.len);
}

static void expect_json(struct fl_str is, int want)
{
	char *have = canonical(is);
	struct fl_str w = text_of(want, 0);
	char *should = canonical(w);
	assert_string_equal(have, should);
	free(have);
	free(should);
}

/* The field of the table at idx as a C value; standard where it is nil. */
static const char *string_field(int idx, const char *name, const char *standard)
{
	lua_getfield(cases, idx, name);
	const char *s = lua_isnil(cases, -1) ? standard : lua_tostring(cases, -1);
	lua_pop(cases, 1); /* the table keeps it */
	return s;
}

static double number_field(int idx, const char *name, double standard)
{
	lua_getfield(cases, idx, name);
	double v = lua_isnil(cases, -1) ? standard : lua_tonumber(cases, -1);
	lua_pop(cases, 1);
	return v;
}

static struct fl_str str_or_none(const char *s) { return s ? fl_str(s) : (struct fl_str){0}; }

/* opts of a case, made of strings, numbers and lists and maps of them. */
static void make_value(struct fl_value *v)
{
	*v = (struct fl_value){0};
	switch (lua_type(cases, -1)) {
	case LUA_TNUMBER: v->kind = FL_V_NUMBER; v->number = lua_tonumber(cases, -1); return;
	case LUA_TBOOLEAN: v->kind = FL_V_BOOL; v->number = lua_toboolean(cases, -1); return;
	case LUA_TSTRING: v->kind = FL_V_STRING; v->text = fl_strdup(lua_tostring(cases, -1)); return;
	case LUA_TTABLE: break;
	default: return;
	}
	v->kind = lua_objlen(cases, -1) ? FL_V_LIST : FL_V_MAP;
	lua_pushnil(cases);
	while (lua_next(cases, -2)) {
		v->item = fl_realloc(v->item, (v->n + 1) * sizeof *v->item);
		make_value(&v->item[v->n]);
		if (v->kind == FL_V_MAP)
			v->item[v->n].name = fl_strdup(lua_tostring(cases, -2));
		v->n++;
		lua_pop(cases, 1);
	}
}

/* The batch of a case's events. Key and headers are borrowed from the case; headers go into *bytes. */
static void load_events(struct bed *b, int c, struct fl_buf *headers)
{
	int list, n;
	lua_getfield(cases, c, "events");
	list = lua_gettop(cases);
	n = (int)lua_objlen(cases, list);
	headers->len = 0;
	fl_buf_room(headers, 4096);
	lua_rawgeti(cases, list, 1);
	bed_begin(b, string_field(-1, "stream", "in"), (uint32_t)number_field(-1, "partition", 0), number_field(c, "now", 0));
	lua_pop(cases, 1);
	for (int k = 1; k <= n; k++) {
		lua_rawgeti(cases, list, k);
		int e = lua_gettop(cases);
		const char *raw = string_field(e, "raw", NULL);
		struct fl_str h = {headers->p + headers->len, 0};
		lua_getfield(cases, e, "headers");
		if (lua_istable(cases, -1))
			for (lua_pushnil(cases); lua_next(cases, -2); lua_pop(cases, 1))
				fl_header_add(headers, fl_str(lua_tostring(cases, -2)), fl_str(lua_tostring(cases, -1)));
		h.len = (uint32_t)(headers->p + headers->len - h.p);
		lua_getfield(cases, e, "value");
		bed_add(b, (int64_t)number_field(e, "offset", k - 1), number_field(e, "time", 0), str_or_none(string_field(e,
			"key", NULL)),
			raw ? fl_str(raw) : text_of(-1, 0), h);
		lua_settop(cases, list);
	}
	lua_settop(cases, list - 1);
	fl_events_decode(b->ev);
}

static int outcome_of(const char *name)
{
	static const char *const names[] = {"pass", "drop", "reject", "late"};
	for (int k = 0; k < 4; k++)
		if (strcmp(name, names[k]) == 0)
			return k;
	fail_msg("no outcome is called %s", name);
	return -1;
}

static void check_event(struct bed *b, uint32_t i)
{
	int w = lua_gettop(cases);
	const struct fl_why *why = bed_why(b, i);
	const char *reason = string_field(w, "reason", NULL), *at = string_field(w, "at", NULL), *stream = string_field(w,
		"stream", NULL);
	const char *bytes = string_field(w, "bytes", NULL), *raw = string_field(w, "raw", NULL);
	int outcome = outcome_of(string_field(w, "outcome", "pass"));
	if (b->ev->b.outcome[i] != outcome)
		fail_msg("event %u: outcome %d, not %d: %.*s", i + 1, b->ev->b.outcome[i], outcome, why ? (int)why->text.len : 0,
			why ? why->text.p : "");
	if (reason && (!why || !str_has(why->text, reason)))
		fail_msg("event %u: %.*s does not say %s", i + 1, (int)why->text.len, why->text.p, reason);
	if (at && !fl_str_eq(why->at, fl_str(at)))
		fail_msg("event %u: raised at %.*s, not %s (%.*s)", i + 1, (int)why->at.len, why->at.p, at, (int)why->text.len,
			why->text.p);
	lua_getfield(cases, w, "value");
	if (!lua_isnil(cases, -1))
		expect_json(fl_str(bed_out(b, i)), lua_gettop(cases));
	if (bytes)
		assert_string_equal(bed_out(b, i), bytes);
	if (raw) {
		char *is = canonical(fl_str(bed_out(b, i)));
		assert_string_equal(is, raw);
		free(is);
	}
	if (outcome == FL_PASS)
		assert_int_equal(b->ev->b.route[i], stream ? 1 + bed_stream(b, fl_str(stream)) : 0);
	if (outcome == FL_LATE)
		assert_int_equal(why->stream, stream ? bed_stream(b, fl_str(stream)) : FL_NO_STREAM);
	lua_settop(cases, w - 1);
}

/* What was emitted, from the record `from` of the case's list on; returns where it ends. */
static int check_emitted(struct bed *b, int c, int from)
{
	lua_getfield(cases, c, "emitted");
	int list = lua_gettop(cases);
	if (lua_isnil(cases, list)) {
		lua_pop(cases, 1);
		return from;
	}
	for (uint32_t k = 0; k < b->ev->emits; k++, from++) {
		const struct fl_emitted *e = &b->ev->emitted[k];
		lua_rawgeti(cases, list, from + 1);
		if (lua_isnil(cases, -1))
			fail_msg("one record too many: %.*s", (int)e->value.len, e->value.p);
		int w = lua_gettop(cases);
		const char *key = string_field(w, "key", NULL), *stream = string_field(w, "stream", NULL);
		assert_int_equal(e->stream, stream ? bed_stream(b, fl_str(stream)) : FL_NO_STREAM);
		assert_int_equal(e->key.p != NULL, key != NULL);
		if (key)
			assert_true(fl_str_eq(e->key, fl_str(key)));
		lua_getfield(cases, w, "value");
		expect_json(e->value, w + 1);
		lua_settop(cases, list);
	}
	lua_pop(cases, 1);
	return from;
}

static int see_value(void *arg, struct fl_str key, struct fl_str value)
{
	int *left = arg;
	char *k = strndup(key.p, key.len);
	lua_getfield(cases, -1, k);
	if (lua_isnil(cases, -1))
		fail_msg("the store has %s, which it should not", k);
	expect_json(value, lua_gettop(cases));
	lua_pop(cases, 1);
	(*left)--;
	free(k);
	return 0;
}

static void check_state(struct bed *b, int c)
{
	if (fl_script_flush(b->t, b->err) != 0)
		fail_msg("%s", b->err);
	lua_getfield(cases, c, "state");
	if (lua_isnil(cases, -1)) {
		lua_pop(cases, 1);
		return;
	}
	for (lua_pushnil(cases); lua_next(cases, -2); lua_pop(cases, 1)) {
		char name[64];
		int left = 0;
		snprintf(name, sizeof name, "p.%s", lua_tostring(cases, -2));
		struct fl_store *s = fl_state_store(b->st, name, 0, b->err);
		assert_non_null(s);
		for (lua_pushnil(cases); lua_next(cases, -2); lua_pop(cases, 1))
			left++;
		assert_int_equal(fl_store_range(s, (struct fl_str){0}, (struct fl_str){0}, see_value, &left, b->err), 0);
		assert_int_equal(left, 0);
	}
	lua_pop(cases, 1);
}

/* generate and tick at the times of the case. */
static int check_calls(struct bed *b, int c, const char *verb, int emitted)
{
	lua_getfield(cases, c, verb);
	int times = lua_gettop(cases), n = lua_istable(cases, times) ? (int)lua_objlen(cases, times) : 0;
	for (int k = 1; k <= n; k++) {
		double wait = -1;
		lua_rawgeti(cases, times, k);
		double now = lua_tonumber(cases, -1);
		bed_begin(b, "in", 0, now);
		int rc = *verb == 'g' ? fl_script_generate(b->t, b->ev, now, &wait, b->err) : fl_script_tick(b->t, b->ev, now,
			b->err);
		lua_getfield(cases, c, "errors");
		const char *fails = NULL;
		if (lua_istable(cases, -1)) {
			lua_rawgeti(cases, -1, k);
			fails = lua_tostring(cases, -1);
		}
		if (fails && (rc == 0 || !strstr(b->err, fails)))
			fail_msg("call %d: %s does not say %s", k, rc ? b->err : "success", fails);
		if (!fails && rc)
			fail_msg("call %d: %s", k, b->err);
		lua_getfield(cases, c, "waits");
		if (lua_istable(cases, -1)) {
			lua_rawgeti(cases, -1, k);
			assert_true(wait == lua_tonumber(cases, -1));
		}
		emitted = check_emitted(b, c, emitted);
		lua_settop(cases, times);
	}
	lua_pop(cases, 1);
	return emitted;
}

static void run_events(struct bed *b, int c)
{
	struct fl_buf headers = {0};
	load_events(b, c, &headers);
	if (fl_script_process(b->t, b->ev, b->err) < 0)
		fail_msg("%s", b->err);
	lua_getfield(cases, c, "expect");
	for (uint32_t i = 0; i < b->ev->b.n; i++) {
		lua_rawgeti(cases, -1, (int)i + 1);
		check_event(b, i);
	}
	lua_pop(cases, 1);
	fl_buf_free(&headers);
}

static void run_case(int c)
{
	struct bed b;
	struct fl_value opts;
	const char *fails = string_field(c, "fails", NULL);
	bed_new(&b, string_field(c, "text", ""));
	lua_getfield(cases, c, "opts");
	make_value(&opts);
	lua_pop(cases, 1);
	b.conf.opts = &opts;
	lua_getfield(cases, c, "streams");
	for (int k = 0; k < 7 && lua_istable(cases, -1); k++) {
		lua_rawgeti(cases, -1, k + 1);
		b.streams[k] = lua_tostring(cases, -1);
		lua_pop(cases, 1);
	}
	lua_pop(cases, 1);
	int opened = bed_open(&b);
	if (fails) {
		assert_int_equal(opened, -1);
		if (strncmp(b.err, fails, strlen(fails)) != 0)
			fail_msg("%s does not begin with %s", b.err, fails);
	} else {
		int emitted = 0;
		if (opened < 0)
			fail_msg("%s", b.err);
		lua_getfield(cases, c, "events");
		int events = lua_istable(cases, -1);
		lua_pop(cases, 1);
		if (events) {
			run_events(&b, c);
			emitted = check_emitted(&b, c, 0);
		}
		emitted = check_calls(&b, c, "generate", emitted);
		emitted = check_calls(&b, c, "tick", emitted);
		lua_getfield(cases, c, "emitted");
		if (lua_istable(cases, -1))
			assert_int_equal(emitted, lua_objlen(cases, -1));
		lua_pop(cases, 1);
		check_state(&b, c);
	}
	bed_close(&b);
	fl_value_free(&opts);
}

static void load_cases(const char *file)
{
	char path[128];
	snprintf(path, sizeof path, "spec/contract/%s.lua", file);
	if (luaL_loadfile(cases, path) != 0 || lua_pcall(cases, 0, 1, 0) != 0)
		fail_msg("%s", lua_tostring(cases, -1));
}

static void run_file(void **state)
{
	load_cases(*state);
	int list = lua_gettop(cases), n = (int)lua_objlen(cases, list);
	assert_true(n > 0);
	for (int k = 1; k <= n; k++) {
		lua_rawgeti(cases, list, k);
		print_message("           %s\n", string_field(-1, "name", "?"));
		run_case(lua_gettop(cases));
		assert_int_equal(lua_gettop(cases), list + 1);
		lua_settop(cases, list);
	}
	lua_settop(cases, 0);
}

static void open_cases(void)
{
	cases = luaL_newstate();
	luaL_openlibs(cases);
	fl_lua_int_open(cases);
	lua_newtable(cases);
	fl_lua_json_open(cases);
	lua_getfield(cases, -1, "array");
	lua_setglobal(cases, "array");
	lua_getfield(cases, -1, "null");
	lua_setglobal(cases, "null");
	lua_settop(cases, 0);
}

int main(void)
{
	static char fields[] = "fields", outcomes[] = "outcomes", origin[] = "origin", store[] = "state",
		sandbox[] = "sandbox";
	const struct CMUnitTest tests[] = {
		{"fields", run_file, NULL, NULL, fields},   {"outcomes", run_file, NULL, NULL, outcomes},
		{"origin", run_file, NULL, NULL, origin},   {"state", run_file, NULL, NULL, store},
		{"sandbox", run_file, NULL, NULL, sandbox},
	};
	open_cases();
	int rc = cmocka_run_group_tests_name("contract", tests, NULL, NULL);
	lua_close(cases);
	fl_buf_free(&scratch[0]);
	fl_buf_free(&scratch[1]);
	return rc;
}
