/* A script at work: batches of events, tick, generate, migrate. On the thread of the worker that has it. */
#include <stdlib.h>

#include "inner.h"

#define CACHED_MAX 200000 /* values that state keeps in Lua between batches */

/* ---- batches ----------------------------------------------------------------------------------------------------- */

/* The state's memory between batches: values that are cheap to get again go before the cap is near. */
static int tidy(struct fl_script_task *t, char *err)
{
	struct fl_script *sc = t->sc;
	if (sc->ttl && fl_script_save(sc, 1, 1) < 0)
		return fl_script_unsaved(sc, err);
	if (sc->sh.cached < CACHED_MAX && sc->used < sc->cap / 4 * 3)
		return 0;
	for (struct fl_script_task *each = sc->tasks; each && sc->stores; each = each->next) {
		if (fl_script_enter(each, FL_PHASE_CALL, err) < 0)
			return -1;
		if (fl_script_save(sc, 1, 0) < 0)
			return fl_script_unsaved(sc, err);
	}
	sc->sh.cached = 0;
	lua_gc(sc->L, LUA_GCCOLLECT, 0);
	return 0;
}

static void reject(struct fl_script *sc, uint32_t row)
{
	fl_buf_add(&sc->text, sc->trace.p, sc->trace.len);
	fl_events_reject(sc->ev, row, sc->conf.name, fl_str(sc->at), (struct fl_str){sc->text.p, (uint32_t)sc->text.len});
}

static int start_batch_again(struct fl_script *sc, struct fl_events *ev, char *err)
{
	if (fl_script_again(sc, err) < 0)
		return -1;
	sc->ev = ev;
	return fl_luacell_batch(sc) < 0 ? fl_script_raised(sc, err) : 0;
}

/* Lua raised: the event that it was at is rejected, and *from is the next one. Where it was at none, it ran out of memory
 * before the first, which a new state helps against, once. -1: the script can't go on. */
static int settle(struct fl_script *sc, uint32_t *from, int *failed, char *err)
{
	struct fl_events *ev = sc->ev;
	int32_t row = sc->sh.row;
	if (row < 0 && (!fl_script_spent(sc) || *failed < 0))
		return fl_script_raised(sc, err);
	if (row >= 0) {
		fl_luacell_undo(sc);
		reject(sc, (uint32_t)row);
		*from = (uint32_t)row + 1;
	}
	*failed = 1;
	if (!fl_script_spent(sc))
		return 0;
	if (start_batch_again(sc, ev, err) < 0)
		return -1;
	*failed = row < 0 ? -1 : 0;
	return 0;
}

int fl_script_process(struct fl_script_task *t, struct fl_events *ev, char *err)
{
	struct fl_script *sc = t->sc;
	uint32_t from = 0;
	int failed = 0; /* 1: the call before raised, and Lua undoes it; -1: in a new state at its first event */
	if (!(sc->has & (FL_HAS_TRANSFORM | FL_HAS_ROUTE)) || ev->b.n == 0)
		return 0;
	if (fl_script_enter(t, FL_PHASE_EVENTS, err) < 0)
		return -1;
	sc->ev = ev;
	if (fl_luacell_batch(sc) < 0 && start_batch_again(sc, ev, err) < 0)
		return -1;
	for (;;) {
		sc->sh.row = -1;
		lua_rawgeti(sc->L, LUA_REGISTRYINDEX, sc->run);
		lua_pushnumber(sc->L, from);
		lua_pushboolean(sc->L, failed > 0);
		if (fl_lua_call(sc, 2, 0) == 0)
			break;
		if (settle(sc, &from, &failed, err) < 0)
			return -1;
	}
	return tidy(t, err);
}

/* ---- calls without an event ------------------------------------------------------------------------------------- */

/* What raised leaves nothing behind, as with an event. */
static int failed_call(struct fl_script *sc, char *err)
{
	char why[FL_ERRLEN];
	fl_script_raised(sc, err);
	fl_luacell_undo(sc);
	if (fl_script_spent(sc)) {
		if (fl_script_again(sc, why) < 0)
			return fl_err(err, "%s", why);
		return -1;
	}
	lua_settop(sc->L, 0);
	fl_script_push(sc, FL_IN_UNDO);
	if (fl_lua_call(sc, 0, 0) < 0)
		sc->task->lost = 1;
	return -1;
}

static int call_timed(struct fl_script_task *t, struct fl_events *ev, int function, double now, uint64_t seed,
	char *err)
{
	struct fl_script *sc = t->sc;
	if (fl_script_enter(t, FL_PHASE_CALL, err) < 0)
		return -1;
	sc->ev = ev;
	sc->sh.b = &ev->b;
	sc->random_seed = seed;
	t->now = now;
	fl_script_push(sc, FL_IN_TIMED);
	lua_rawgeti(sc->L, LUA_REGISTRYINDEX, function);
	lua_pushnumber(sc->L, now);
	return fl_lua_call(sc, 2, 1) < 0 ? failed_call(sc, err) : 0;
}

int fl_script_tick(struct fl_script_task *t, struct fl_events *ev, double now, char *err)
{
	uint64_t seed;
	if (t->sc->tick == LUA_NOREF)
		return 0;
	memcpy(&seed, &now, sizeof seed);
	if (call_timed(t, ev, t->sc->tick, now, seed ^ fl_key_hash(fl_str(t->prefix)), err) < 0)
		return -1;
	return tidy(t, err);
}

/* Chance in generate() goes by how often it was asked for any: the count is in the task's state, so that a source that
 * starts again goes on with other numbers, and one that goes back to a commit with the same. */
static int know_calls(struct fl_script_task *t, char *err)
{
	if (t->calls_known || !t->state)
		return 0;
	uint32_t len;
	if (!fl_luastate_own(t, err))
		return -1;
	const char *p = fl_luastate_note(t, "calls", &len);
	for (uint32_t k = 0; p && k < len; k++)
		t->calls = t->calls * 10 + (uint64_t)(p[k] - '0');
	t->calls_known = 1;
	return 0;
}

static void count_call(struct fl_script_task *t)
{
	char text[24];
	t->calls++;
	snprintf(text, sizeof text, "%llu", (unsigned long long)t->calls);
	if (t->own)
		fl_luastate_keep(t, "calls", text);
}

int fl_script_generate(struct fl_script_task *t, struct fl_events *ev, double now, double *wait, char *err)
{
	struct fl_script *sc = t->sc;
	*wait = -1;
	if (sc->generate == LUA_NOREF)
		return 0;
	if (know_calls(t, err) < 0)
		return -1;
	if (call_timed(t, ev, sc->generate, now, fl_key_hash(fl_str(t->prefix)) + t->calls, err) < 0)
		return -1;
	if (lua_type(sc->L, -1) == LUA_TNUMBER) {
		double s = lua_tonumber(sc->L, -1);
		*wait = s > 0 ? s : 0; /* nan too */
	}
	if (sc->random_event == sc->sh.event)
		count_call(t);
	return tidy(t, err);
}

/* ---- versions ---------------------------------------------------------------------------------------------------- */

static int see_any(void *arg, struct fl_str key, struct fl_str value)
{
	(void)key;
	(void)value;
	*(int *)arg = 1;
	return 1;
}

/* Whether any of the script's stores holds something: else there is nothing to migrate. */
static int any_state(struct fl_script_task *t, int *any, char *err)
{
	struct fl_script *sc = t->sc;
	for (uint32_t k = 0; k < sc->stores && !*any; k++) {
		struct fl_store *s = fl_luastate_store(t, k, err);
		if (!s || fl_store_range(s, (struct fl_str){0}, (struct fl_str){0}, see_any, any, err) < 0)
			return -1;
	}
	return 0;
}

static int call_migrate(struct fl_script_task *t, const char *old, uint32_t len, double now, char *err)
{
	struct fl_script *sc = t->sc;
	char *end, text[64] = "0";
	if (fl_script_enter(t, FL_PHASE_CALL, err) < 0)
		return -1;
	if (old)
		snprintf(text, sizeof text, "%.*s", (int)len, old);
	sc->random_seed = fl_key_hash(fl_str(text));
	t->now = now;
	fl_script_push(sc, FL_IN_CALL);
	lua_rawgeti(sc->L, LUA_REGISTRYINDEX, sc->migrate);
	lua_pushnumber(sc->L, now);
	double number = strtod(text, &end);
	if (*end == 0)
		lua_pushnumber(sc->L, number);
	else
		lua_pushstring(sc->L, text);
	return fl_lua_call(sc, 3, 0) < 0 ? failed_call(sc, err) : 0;
}

int fl_script_migrate(struct fl_script_task *t, double now, char *err)
{
	struct fl_script *sc = t->sc;
	uint32_t len;
	int any = 0;
	/* All its stores, so that no event meets one that can't be had, and their times to live are known from the start. */
	for (uint32_t id = 0; t->state && id < sc->stores; id++)
		if (!fl_luastate_store(t, id, err))
			return fl_err_in(err, "%s: state \"%s\"", sc->conf.name, sc->store[id].name);
	if (!sc->has_version || !t->state || t->version_due)
		return 0;
	if (!fl_luastate_own(t, err))
		return -1;
	const char *old = fl_luastate_note(t, "version", &len);
	if (old && len == strlen(sc->version) && memcmp(old, sc->version, len) == 0)
		return 0;
	if (!old && any_state(t, &any, err) < 0)
		return -1;
	sc->ev = NULL;
	if ((old || any) && sc->migrate != LUA_NOREF && call_migrate(t, old, len, now, err) < 0)
		return -1;
	t->version_due = 1;
	return 0;
}
