/* Tasks of a script: whose state it sees, saving what they put, and a new lua_State when the memory ran out. On the
 * thread of the worker that has the script. */
#include <stdlib.h>

#include <luajit.h>

#include "inner.h"

#define HEADROOM ((size_t)16 << 20) /* to save what is sound after the memory ran out */

struct fl_script_task *fl_script_task_new(struct fl_script *sc, struct fl_state *state, const char *prefix)
{
	struct fl_script_task *t = fl_alloc(sizeof *t);
	t->sc = sc;
	t->state = sc->conf.stores ? state : NULL;
	t->prefix = fl_strdup(prefix);
	t->id = ++sc->task_ids;
	t->next = sc->tasks;
	sc->tasks = t;
	return t;
}

static int call_id(struct fl_script *sc, enum fl_entry entry, uint32_t id)
{
	fl_script_push(sc, entry);
	lua_pushnumber(sc->L, id);
	return fl_lua_call(sc, 1, 0);
}

void fl_script_task_free(struct fl_script_task *t)
{
	if (!t)
		return;
	struct fl_script *sc = t->sc;
	for (struct fl_script_task **at = &sc->tasks; *at; at = &(*at)->next)
		if (*at == t) {
			*at = t->next;
			break;
		}
	if (sc->L) {
		fl_script_lua(sc, FL_PHASE_CALL);
		call_id(sc, FL_IN_END_TASK, t->id);
	}
	if (sc->task == t)
		sc->task = NULL;
	free(t->prefix);
	free(t);
}

/* Before each call for a task: its state is the one that the script sees. */
int fl_script_enter(struct fl_script_task *t, enum fl_phase phase, char *err)
{
	struct fl_script *sc = t->sc;
	if (sc->left && fl_script_again(sc, err) < 0)
		return -1;
	if (!sc->L)
		return fl_err(err, "%s: it ran out of memory and could not be started again", sc->conf.name);
	if (t->lost) {
		t->lost = 0;
		return fl_err(err, "%s: what its stores held since the last commit is lost, since it ran out of memory",
			sc->conf.name);
	}
	fl_script_lua(sc, phase);
	if (sc->task == t)
		return 0;
	if (call_id(sc, FL_IN_TASK, t->id) < 0)
		return fl_script_raised(sc, err);
	sc->task = t;
	return 0;
}

int fl_script_save(struct fl_script *sc, int drop, int only_ttl)
{
	if (sc->task->version_due && !only_ttl) { /* together with what migrate() changed */
		fl_luastate_keep(sc->task, "version", sc->version);
		sc->task->version_due = 0;
	}
	sc->sh.event++; /* nothing of the last event will be undone */
	fl_script_push(sc, FL_IN_FLUSH);
	lua_pushboolean(sc->L, drop);
	lua_pushboolean(sc->L, only_ttl);
	return fl_lua_call(sc, 2, 0);
}

int fl_script_flush(struct fl_script_task *t, char *err)
{
	struct fl_script *sc = t->sc;
	if (!sc->stores && !t->version_due)
		return 0;
	if (fl_script_enter(t, FL_PHASE_CALL, err) < 0)
		return -1;
	sc->unwritten.len = 0;
	if (fl_script_save(sc, 0, 0) < 0 && fl_script_unsaved(sc, err) < 0)
		return -1;
	if (!sc->unwritten.len)
		return 0;
	fl_err(err, "%s: %.*s", sc->conf.name, (int)sc->unwritten.len, sc->unwritten.p);
	return 1;
}

int fl_script_spent(const struct fl_script *sc)
{
	return sc->sh.trouble == FL_TROUBLE_MEMORY || sc->sh.trouble == FL_TROUBLE_VOLUME;
}

/* The state ran out of memory in the middle of something. With some more of it, on another of its threads, and with
 * nothing compiled or collected any more, what scripts put is saved; then a new state takes its place. -1: the present
 * task's changes, or the script itself, are lost. */
int fl_script_again(struct fl_script *sc, char *err)
{
	struct fl_script_task *now = sc->task;
	size_t cap = sc->cap;
	int sound = sc->L != NULL;
	sc->left = 0;
	sc->cap += HEADROOM;
	sc->volume = 0;
	if (sound) {
		luaJIT_setmode(sc->L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
		lua_gc(sc->L, LUA_GCSTOP, 0);
		fl_script_push(sc, FL_IN_UNDO);
		sound = fl_lua_call(sc, 0, 0) == 0;
	}
	for (struct fl_script_task *t = sc->tasks; t && sc->stores; t = t->next) {
		char why[FL_ERRLEN];
		if (!sound || (!t->lost && (fl_script_enter(t, FL_PHASE_CALL, why) < 0 || fl_script_save(sc, 0, 0) < 0)))
			t->lost = 1;
	}
	sc->cap = cap;
	fl_script_drop(sc);
	if (fl_script_build(sc, err) < 0) {
		fl_script_drop(sc);
		return -1;
	}
	return now ? fl_script_enter(now, FL_PHASE_EVENTS, err) : 0;
}

int fl_script_unsaved(struct fl_script *sc, char *err)
{
	return fl_script_spent(sc) ? fl_script_again(sc, err) : fl_script_raised(sc, err);
}
