/* What the files of this layer share: a script as its parts know it, and the memory that C and the prelude have in
 * common. Nobody outside core/script/ includes this. */
#ifndef FL_SCRIPT_INNER_H
#define FL_SCRIPT_INNER_H

#include <setjmp.h>
#include <stdio.h>

#include <lauxlib.h>
#include <lua.h>

#include "pool.h"
#include "script.h"

#define FL_STORES_MAX 64  /* state "name" in one script */
#define FL_FIELDS_ROOM FL_COLUMNS_MAX

/* A cell as it was before the event's script wrote it. str counts only where the writer changes it. */
struct fl_undo {
	uint32_t column;
	uint8_t type, dirty, has_str, unused;
	double num;
	struct fl_str str;
};

enum { FL_TROUBLE_FUEL = 1, FL_TROUBLE_MEMORY = 2, FL_TROUBLE_VOLUME = 3 };

/* What C and prelude.lua read and write both; prelude.lua has the same declaration and checks the size. The functions
 * are for its hot paths: they call nothing of Lua and never raise. */
struct fl_shared {
	struct fl_batch *b;
	int64_t steps;    /* left for string patterns */
	double event;     /* counts events and calls: journals with an older number are settled */
	int32_t row;      /* the event that Lua is at */
	uint32_t trouble; /* what stopped the script, FL_TROUBLE_*; a script can't catch that */
	uint32_t undos;   /* entries of undo */
	uint32_t touched; /* b->touched of the event before its script */
	uint32_t cached;  /* values that state keeps in Lua */
	uint32_t unused;
	struct fl_str out; /* what a function below gives besides its result */
	double num;
	int32_t (*column)(struct fl_shared *, const char *p, uint32_t len);
	void (*note)(struct fl_shared *, uint32_t column);
	int32_t (*set_string)(struct fl_shared *, uint32_t column, const char *p, uint32_t len);
	void (*drop)(struct fl_shared *, const char *p, uint32_t len);
	void (*late)(struct fl_shared *, uint32_t stream);
	int32_t (*stream)(struct fl_shared *, const char *p, uint32_t len);
	double (*random)(struct fl_shared *);
	int32_t (*utf8)(const char *p, uint32_t len);
	int32_t (*header)(struct fl_shared *, const char *p, uint32_t len);
	void (*count)(void *metric, double n);
	int32_t (*load)(struct fl_shared *, uint32_t store, const char *p, uint32_t len);
	struct fl_undo undo[FL_COLUMNS_MAX];
};

/* Functions of the prelude that C calls, as places in the registry. */
enum fl_entry {
	FL_IN_CALL,     /* call(f, now, …): a function of the script, outside events */
	FL_IN_TIMED,    /* timed(f, now): f(now, m) */
	FL_IN_UNDO,     /* undo(): after a failed call */
	FL_IN_FORGET,   /* forget(): field names mean other columns from now on */
	FL_IN_TASK,     /* task(id): whose state it is */
	FL_IN_END_TASK, /* end_task(id) */
	FL_IN_FLUSH,    /* flush(drop, only_ttl): the present task's values into its stores */
	FL_IN_READY,    /* ready(): loading is over; gives the script's functions and version */
	FL_IN_OPENER,   /* opener(): the script's open */
	FL_IN_MAKE_RUN, /* make_run(transform, route): gives run(from, failed), for all events from one on */
	FL_ENTRIES
};

enum fl_phase { FL_PHASE_LOAD, FL_PHASE_EVENTS, FL_PHASE_CALL };

struct fl_script {
	struct fl_shared sh; /* first: sh's functions find the script by it */
	struct fl_script_conf conf;
	lua_State *L;               /* the thread of it that calls are made on; NULL: none is left */
	lua_State *main, *spare;    /* as made; another thread, for when L had to be left in the middle of a call */
	jmp_buf escape;             /* out of a call whose memory ran out */
	int left;                   /* that has happened: a new state is due */
	int inside;                 /* a call is being made: the cap counts */
	size_t used, cap, volume;   /* bytes: in Lua, at most, asked for in large pieces since the call began */
	double volume_event;
	struct fl_pool pool;        /* of the lua_State */
	int entry[FL_ENTRIES];
	int run, tick, generate, migrate, end; /* the script's functions: places in the registry, or LUA_NOREF */
	int meter, env;
	uint32_t has;
	int has_version;
	char version[64];
	enum fl_phase phase;

	char **file; /* what it was made of */
	uint32_t files;

	struct fl_events *ev; /* present batch */
	struct fl_fields *fields;
	struct fl_str field[FL_COLUMNS_MAX]; /* names it used, by column; p NULL: not used */
	uint32_t columns;

	struct fl_script_task *task, *tasks; /* present one; all of them */
	uint32_t task_ids;
	struct { char *name; double ttl; } store[FL_STORES_MAX];
	uint32_t stores;
	int ttl;             /* some store has one */

	double emit_event;   /* the event that emit_from belongs to */
	uint32_t emit_from;
	double bytes_event;  /* the event that bytes belongs to */
	size_t bytes;        /* copied to C by the event */
	double random_event;
	uint64_t random, random_seed; /* state of the present event; seed of a call outside events */
	uint32_t metrics;

	struct fl_buf scratch, text, trace; /* for values being written; the last error, its traceback */
	struct fl_buf unwritten;            /* the first value that a flush could not write */
	char at[256];                       /* where it was raised */
};

struct fl_script_task {
	struct fl_script *sc;
	struct fl_script_task *next;
	struct fl_state *state;
	char *prefix;
	uint32_t id;
	int version_due; /* migrated: the next flush notes the version */
	int lost; /* its changes went with a state that ran out of memory */
	struct fl_store *store[FL_STORES_MAX];
	struct fl_store *own; /* the host's: version, calls of generate */
	double now;
	uint64_t calls; /* of generate() that asked for chance */
	int calls_known;
};

static inline struct fl_script *fl_script_of(lua_State *L)
{
	void *ud;
	lua_getallocf(L, &ud);
	return ud;
}

/* luacall.c: every entry into Lua, the allocator, and errors. */
void *fl_script_alloc(void *ud, void *p, size_t was, size_t n);
/* lua_pcall of the function and n arguments on the stack. -1: sc->text says what was raised, sc->at where. */
int fl_lua_call(struct fl_script *sc, int args, int results);
/* Raises a sentence with the script's own place in front. */
int fl_lua_raise(lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The innermost line of a script that is being run, "name:12"; 0: none. */
int fl_lua_where(lua_State *L, char *at, size_t size);
int fl_lua_exhausted(lua_State *L); /* the fuel is gone */

/* script.c */
int fl_script_build(struct fl_script *sc, char *err); /* the lua_State with the script in it, opened */
void fl_script_drop(struct fl_script *sc);            /* the lua_State */
void fl_script_lua(struct fl_script *sc, enum fl_phase phase); /* before a call from outside */
void fl_script_push(struct fl_script *sc, enum fl_entry entry);
int fl_script_raised(struct fl_script *sc, char *err); /* what the last call raised, into err; -1 */

/* scripttask.c */
int fl_script_enter(struct fl_script_task *t, enum fl_phase phase, char *err); /* its state is the one that is seen */
int fl_script_save(struct fl_script *sc, int drop, int only_ttl);             /* the present task's flush */
int fl_script_unsaved(struct fl_script *sc, char *err);                       /* what to do where that failed */
int fl_script_spent(const struct fl_script *sc);                              /* the memory ran out */
int fl_script_again(struct fl_script *sc, char *err);

/* sandbox.c: the libraries and the prelude; and a file's main function, pushed onto L, which may be a coroutine. */
int fl_sandbox_open(struct fl_script *sc, char *err);
int fl_sandbox_load(struct fl_script *sc, lua_State *L, const char *path, const char *name, char *err);

/* The others put their functions into the table at the top of the stack, for the prelude. */
void fl_luacell_open(struct fl_script *sc);
void fl_luaemit_open(struct fl_script *sc);
void fl_luastate_open(struct fl_script *sc);
void fl_hostlib_open(struct fl_script *sc);
void fl_require_open(struct fl_script *sc);

/* luacell.c */
void fl_luacell_undo(struct fl_script *sc);  /* what the present event wrote and emitted */
int fl_luacell_batch(struct fl_script *sc);  /* the batch gets the columns that the script knows; -1: no memory */
int fl_lua_bytes(struct fl_script *sc, size_t n); /* n more are copied for this event; -1: too many */

/* luastate.c */
struct fl_store *fl_luastate_own(struct fl_script_task *t, char *err); /* before the next two */
const void *fl_luastate_note(struct fl_script_task *t, const char *what, uint32_t *len); /* NULL: none */
void fl_luastate_keep(struct fl_script_task *t, const char *what, const char *text);
struct fl_store *fl_luastate_store(struct fl_script_task *t, uint32_t id, char *err);

/* prelude.c: the Lua files in the binary, terminated by 0. */
extern const char fl_lua_prelude[], fl_lua_sandbox[], fl_lua_luastate[];

#endif
