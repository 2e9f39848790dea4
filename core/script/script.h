/* A script: one Lua file in its own lua_State, sandboxed, called once a batch. One state serves all tasks of its
 * pipeline on one worker; only its worker's thread calls it, but it may be opened (compiled, run once, open(opts)
 * called) on another thread before it is handed over. */
#ifndef FL_SCRIPT_SCRIPT_H
#define FL_SCRIPT_SCRIPT_H

#include "../base/value.h"
#include "../event/batch.h"
#include "../state/state.h"

struct fl_script;

struct fl_script_conf {
	const char *path;    /* the file */
	const char *name;    /* how messages call it: "transforms/enrich.lua" */
	const char *lib;     /* scripts/lib's parent: require "lib.geo" reads <lib>/lib/geo.lua; NULL: no require */
	const char *who;     /* for the log: "yacht/enrich" */
	const char *labels;  /* of its metrics */
	const struct fl_value *opts; /* handed to open() as a table; NULL: an empty one. Lives as long as the script */
	size_t memory;       /* cap in bytes; 64 MiB where 0 */
	int64_t fuel;        /* loop turns and calls an event may take; 10,000,000 where 0 */
	int stores;          /* 1: state is to be had (a pipeline or source), 0: using it is an error that says so */
	/* the index of a stream by name, FL_NO_STREAM where the conf declares none of that name; for emit_to, late, route */
	uint32_t (*stream)(void *arg, struct fl_str name);
	void *arg;
};

enum { FL_HAS_TRANSFORM = 1, FL_HAS_GENERATE = 2, FL_HAS_ROUTE = 4, FL_HAS_TICK = 8 };

/* Reads, checks, rewrites (fuel), runs the file and calls open(opts). Errors have "name:line: ". */
struct fl_script *fl_script_open(const struct fl_script_conf *conf, char *err);
void fl_script_close(struct fl_script *sc); /* calls close() where it has one */
uint32_t fl_script_has(const struct fl_script *sc);
/* The files it was made of (itself and what it required): a change of any of them means a reload. */
uint32_t fl_script_files(const struct fl_script *sc, const char *const **paths);

/* The names of the stores that it declares, from k = 0 on; NULL: there are no more. */
const char *fl_script_store(const struct fl_script *sc, uint32_t k);

/* What a script sees of the task it works for at the moment. Made once a task and script. */
struct fl_script_task;
struct fl_script_task *fl_script_task_new(struct fl_script *sc, struct fl_state *state, const char *prefix); /* stores are "<prefix>.<name>" */
void fl_script_task_free(struct fl_script_task *t);

/* Calls migrate(old) where the version that wrote the task's stores differs from the script's. -1: it raised; nothing
 * was changed. Before the first process of a task. */
int fl_script_migrate(struct fl_script_task *t, double now, char *err);

/* transform and route for all events that are FL_PASS, in order. An event whose script raises is rejected, and what it
 * wrote, emitted and put is undone. -1: the state had to be given up (out of memory): the event at fault is rejected in ev,
 * but changes of the task's stores since the last fl_script_flush are lost: go back to the last commit. */
int fl_script_process(struct fl_script_task *t, struct fl_events *ev, char *err);
/* tick(now, m) with ev an empty batch that takes what it emits. -1: it raised: logged by the caller. */
int fl_script_tick(struct fl_script_task *t, struct fl_events *ev, double now, char *err);
/* generate(now, m), once; *wait: seconds until the next call where the function returned a number, else -1. */
int fl_script_generate(struct fl_script_task *t, struct fl_events *ev, double now, double *wait, char *err);

/* Values that scripts put are kept as Lua values until here: called before fl_state_collect, and before a script is
 * replaced. 1: a value can't be written (err says which), and its change is gone; the others are in. -1: changes are lost
 * that should not be: go back to the last commit. */
int fl_script_flush(struct fl_script_task *t, char *err);

/* For the status: time in Lua and memory. */
size_t fl_script_memory(const struct fl_script *sc);

#endif
