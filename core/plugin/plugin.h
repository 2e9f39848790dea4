/* Plugins: found by name in directories, loaded from a private copy, checked for their ABI, and opened as instances
 * with their options. A module may be loaded and an instance opened on any thread; an instance is then used by one. */
#ifndef FL_PLUGIN_PLUGIN_H
#define FL_PLUGIN_PLUGIN_H

#include "../base/value.h"
#include "../event/batch.h"
#include "../state/state.h"

/* A loaded .so. Counted; the last release unloads it (not under sanitizers, which lose the symbols then). */
struct fl_module {
	const struct fl_plugin *plugin; /* a copy as long as this host's struct: what the .so lacks is NULL */
	char *path; /* where it was found, not the private copy */
	void *handle;
	int fd;     /* the private copy: open as long as it is loaded, so that no other one gets its name */
	_Atomic uint32_t refs;
};

/* The directories that plugins are looked up in, in order; copied. */
void fl_plugin_dirs(const char *const *dirs, uint32_t n);
/* Loads name.so from the first directory that has it. The error names the directories, and the nearest known name. */
struct fl_module *fl_module_load(const char *name, char *err);
struct fl_module *fl_module_load_file(const char *path, char *err);
struct fl_module *fl_module_ref(struct fl_module *m);
void fl_module_unref(struct fl_module *m);
/* Names of all plugins in the directories, sorted, each once; to be freed with one free(). */
char **fl_plugin_names(uint32_t *n);

/* The options of a stage, from the conf to the plugin's struct. All that is wrong with them is found by
 * fl_options_check, which needs no instance: `unknown option "spam" of plugin "speed" (it has x, y, span …); did you mean "span"?`
 * *line is the conf's line of what is wrong. */
int fl_options_check(const struct fl_plugin *pl, const struct fl_value *opts, int *line, char *err);

/* Fills conf, a zeroed struct as long as pl->conf_size says. The plan reads the options of its own words with it too,
 * by a struct fl_plugin that only names them. */
struct fl_filling {
	const char *word;        /* for messages: "plugin" */
	struct fl_arena *arena;  /* what texts and maps live in */
	struct fl_fields *fields;
	int dry;                 /* only checked: fields may be NULL */
};
int fl_options_fill(const struct fl_plugin *pl, const struct fl_value *opts, struct fl_filling *f, void *conf,
                    int *line, char *err);

struct fl_instance_conf {
	const char *who;     /* for the log: "yacht/enrich" */
	const char *stage;   /* its name in metrics, dead letters and stores: "speed" */
	const char *labels;  /* of its metrics: app="yacht",pipeline="enrich",stage="speed" */
	const char *prefix;  /* of store names: "enrich" gives "enrich.speed" */
	const char *data_dir;
	const struct fl_value *opts;
	struct fl_fields *fields; /* of the pipeline; NULL: a field is an error (a source has no records to read) */
	int stores;               /* 1: state is to be had */
};

struct fl_instance {
	struct fl_module *module; /* by a reference of its own */
	const struct fl_plugin *plugin;
	void *self;
	struct fl_ctx *ctx;
};

/* Fills the conf struct, makes the ctx and calls open(). Takes a reference on the module. */
struct fl_instance *fl_instance_open(struct fl_module *m, const struct fl_instance_conf *conf, char *err);
void fl_instance_close(struct fl_instance *in); /* NULL is fine */

/* The names of its stores, without the prefix, from k = 0 on; NULL: there are no more. */
const char *fl_instance_store(const struct fl_instance *in, uint32_t k);

/* Gives its stores what is behind them, before the first process() or read(), and migrates where the version differs. */
int fl_instance_bind(struct fl_instance *in, struct fl_state *state, char *err);

/* What it has counted since the last time becomes visible in the metrics; also done by flush and close. */
void fl_instance_settle(struct fl_instance *in);

/* The calls, with ctx set up for the batch; errors have the stage's name in front. ev takes what is emitted. */
int fl_instance_process(struct fl_instance *in, struct fl_events *ev, char *err);
int fl_instance_tick(struct fl_instance *in, struct fl_events *ev, double now, char *err);
int fl_instance_read(struct fl_instance *in, struct fl_events *ev, uint32_t want, double *wait, char *err);
/* pos->next is -1 afterwards where the sink keeps no position. */
int fl_instance_position(struct fl_instance *in, struct fl_position *pos, char *err);
int fl_instance_write(struct fl_instance *in, struct fl_events *ev, char *err);
int fl_instance_flush(struct fl_instance *in, const struct fl_position *pos, uint32_t n, char *err);

#endif
