/* What the files of core/plugin share: the private copy of a .so, and an instance as the host sees it. */
#ifndef FL_PLUGIN_PRIVATE_H
#define FL_PLUGIN_PRIVATE_H

#include "plugin.h"

/* A descriptor of a copy of the file in memory, looked through for a whole ELF library (loading a half-written one
 * would end the process); -1 and a sentence. */
int fl_module_copy(const char *path, char *err);

/* All that the host relies on in what a library exports; what is wrong is said with the file, both versions and the
 * remedy. exported: bytes of the symbol. */
int fl_module_check(const struct fl_plugin *pl, size_t exported, const char *path, char *err);

/* A store as a plugin holds it from open() on, long before a task's state stands behind it; plugins see it as
 * struct fl_store. */
struct fl_slot {
	uint32_t magic;
	struct fl_ctx *ctx;
	struct fl_store *store; /* of the task's state; NULL before fl_instance_bind */
	char *name;             /* with the prefix */
	double ttl;
	struct fl_slot *next;
};

struct fl_ctx {
	uint32_t magic;
	char *who, *stage, *labels, *prefix, *data_dir;
	struct fl_fields *fields;
	int stores;
	int opening;            /* open() runs: the time for store(), field() and meter() */
	struct fl_arena arena;  /* what the conf points to */
	void *conf;
	struct fl_slot *slot;
	struct fl_meter *meter;
	struct fl_events *ev;   /* of the call under way, NULL between calls */
	double now;             /* of the records that a tick or a source makes */
	struct fl_buf record, scratch; /* of record() and each_field() */
	struct fl_arena texts;
	char failed[FL_ERRLEN]; /* what open() asked for and can't have */
};

extern const struct fl_host fl_host;
struct fl_ctx *fl_ctx_new(const struct fl_instance_conf *conf);
void fl_ctx_free(struct fl_ctx *ctx);

/* meter.c: a ctx's counters, a list. hash 0: not known. ahead: the value of that hash is counted soon. */
struct fl_meter *fl_meter_new(struct fl_meter *next, const char *name, const char *help, const char *label, const char *labels);
void fl_meter_count(struct fl_meter *m, struct fl_str value, uint64_t hash, uint64_t n);
void fl_meter_ahead(const struct fl_meter *m, uint64_t hash);
void fl_meter_settle(struct fl_meter *m);
void fl_meter_free(struct fl_meter *m);

/* record.c: the host's record() and each_field() */
struct fl_str fl_ctx_record(struct fl_ctx *ctx, struct fl_events *ev, uint32_t i);
int fl_ctx_each_field(struct fl_ctx *ctx, struct fl_events *ev, uint32_t i,
                      int (*see)(void *arg, const struct fl_cell *), void *arg);

#endif
