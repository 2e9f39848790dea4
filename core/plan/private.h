/* What the files of core/plan share while a conf is read: what it declared, as it stands there. */
#ifndef FL_PLAN_PRIVATE_H
#define FL_PLAN_PRIVATE_H

#include <lua.h>

#include "plan.h"

enum fl_decl_kind { FL_D_STREAM, FL_D_SOURCE, FL_D_PIPELINE, FL_D_SINK, FL_D_WEB, FL_D_PLUGIN, FL_D_SCRIPT, FL_D_TIME };

/* How far reading goes: with the files of its stages; the conf alone, whatever its scripts are at the moment; or no file
 * but the text and no environment either, for fuzzing. */
enum fl_depth { FL_WITH_STAGES, FL_CONF_ALONE, FL_TEXT_ALONE };

/* One word with a name: stream "raw" { … }, plugin "speed" { … }. A handle in Lua is the index of one. */
struct fl_decl {
	enum fl_decl_kind kind;
	char *name;
	int line, opts_line;  /* of the word, of its table; opts_line 0: it has none yet */
	struct fl_value opts; /* a map of the named entries */
	uint32_t *stage;      /* of a flow: the declarations of its stages in order */
	uint32_t stages;
	uint32_t stream;      /* of a stream: its index in the plan */
	int used;             /* of a stage: a flow has it */
};

struct fl_reading {
	const char *file;    /* for messages */
	struct fl_str text;
	enum fl_depth depth;
	char *app;
	int app_line;
	struct fl_decl *decl;
	uint32_t decls, streams;
	struct fl_value option, kafka;
	uint32_t values;     /* made so far, and the bytes of their texts: an alias of an alias … grows fast */
	size_t bytes;
	size_t memory;       /* of Lua's */
	int turns, seen;     /* of the hook; the line that it last saw */
	int failed;          /* err is set; what Lua says does not matter */
	char *err;
};

/* Sets err to "file:line: …", unless it is set already; returns -1. Secrets are masked. */
int fl_reading_fail(struct fl_reading *r, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* sandbox.c: runs the conf. Words are C functions with the reading as their upvalue. */
int fl_sandbox_run(struct fl_reading *r);
/* words.c */
void fl_words_open(lua_State *L, struct fl_reading *r); /* into the table at the top */
const char *const *fl_words_names(uint32_t *n);
/* The decl that the value at idx is a handle of, NULL: it is none. */
struct fl_decl *fl_words_decl(lua_State *L, struct fl_reading *r, int idx);

/* convert.c: the value at idx. line: where the table that it stands in begins. -1: r->err. */
enum { FL_MIXED_TIME = 1, FL_SKIP_LIST = 2 }; /* time = { "field", unit = … }; a flow's stages are not values */
int fl_value_of(lua_State *L, struct fl_reading *r, int idx, int line, int flags, struct fl_value *to);
/* The line of `name =` in the table that begins at line, else line. */
int fl_line_of(const struct fl_reading *r, int line, const char *name);
struct fl_value fl_value_copy(const struct fl_value *v);

/* check.c and checks of its parts: from the declarations to a plan. -1: r->err. */
int fl_check_plan(struct fl_reading *r, struct fl_plan *plan, struct fl_buf *warn);
int fl_check_stream(struct fl_reading *r, const struct fl_decl *d, struct fl_plan_stream *s);
int fl_check_stage(struct fl_reading *r, const struct fl_plan *plan, const struct fl_decl *flow, struct fl_decl *d,
                   struct fl_plan_stage *st);
void fl_check_use(struct fl_reading *r, const struct fl_plan *plan, struct fl_buf *warn);
/* The options of a word by a table, into conf. */
int fl_check_options(struct fl_reading *r, const char *word, const char *name, const struct fl_option *options,
                     const struct fl_value *opts, struct fl_arena *arena, void *conf, size_t size);
const char *fl_decl_word(enum fl_decl_kind kind);

/* scripts.c: where a script is; NULL: nowhere, and r->err says what is near. *root: the directory it was found in. */
char *fl_script_find(struct fl_reading *r, const struct fl_plan *plan, const char *name, int line, char **root);
/* The conf's ../scripts, or, where there is none, the first installed directory. */
char *fl_scripts_beside(const char *conf);
int fl_script_compiles(const char *path, const char *name, char *err);
/* As a string: scripts name the streams that they write to. */
int fl_script_mentions(const char *path, const char *text);

/* As fl_plan_read does, of a text. */
struct fl_plan *fl_plan_of_text(const char *file, struct fl_str text, enum fl_depth depth, struct fl_buf *warn, char *err);

/* show.c: a value as a conf has it, secrets masked if asked; a name of a stream, "-" where there is none. */
void fl_show_value(const struct fl_value *v, int mask, struct fl_buf *out);
void fl_show_text(const char *text, struct fl_buf *out); /* masked */
const char *fl_show_stream(const struct fl_plan *plan, uint32_t stream);
const char *fl_flow_word(enum fl_flow_kind kind);

#endif
