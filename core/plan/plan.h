/* A plan: what a conf file says, checked whole and then never changed. Made by fl_plan_read on the main thread; read by
 * everybody. Two plans can be compared. */
#ifndef FL_PLAN_PLAN_H
#define FL_PLAN_PLAN_H

#include "../base/value.h"
#include "../event/codec.h"
#include "../event/time.h"
#include "../plugin/plugin.h"

struct fl_plan_stream {
	char *name;
	int line;            /* 0: nobody declared it (the late and dead-letter streams) */
	uint32_t partitions; /* 1 where not given */
	char *key;           /* field, NULL: none */
	struct fl_time_spec time;
	const struct fl_codec *codec; /* json where not given */
	struct fl_limits limits;
	double keep_age;     /* keep = "7d"; 0: for ever */
	int64_t keep_bytes;  /* keep_bytes = "1GiB"; 0: any */
};

enum fl_stage_kind { FL_STAGE_PLUGIN, FL_STAGE_SCRIPT };

struct fl_plan_stage {
	enum fl_stage_kind kind;
	char *name;  /* "speed", "transforms/enrich.lua" */
	char *id;    /* unique in its flow: its option name = "…" where given, else speed, speed-2, enrich (a script's stem) */
	char *path;  /* the file */
	char *root;  /* of a script: the scripts directory it was found in, which its require begins at */
	int line;
	struct fl_value opts; /* a map without the host's own (name, memory, fuel, rate) */
	size_t memory;        /* scripts */
	int64_t fuel;
	double rate;          /* scripts of sources: calls a second; 0: generate() says */
	struct fl_module *module; /* plugins, as loaded for the check */
};

enum fl_flow_kind { FL_FLOW_SOURCE, FL_FLOW_PIPELINE, FL_FLOW_SINK, FL_FLOW_WEB };

/* A source, pipeline, sink or web: stages between streams. */
struct fl_plan_flow {
	enum fl_flow_kind kind;
	char *name;
	int line;
	uint32_t from, to; /* streams; FL_NO_STREAM where it has none */
	int newest;        /* start = "newest": without a position it begins at the end */
	struct fl_plan_stage *stage;
	uint32_t stages;
	struct fl_value opts; /* of a web: page … */
};

struct fl_plan {
	char *app, *file;
	char *scripts; /* the directory that script paths begin at */
	struct fl_plan_stream *stream;
	uint32_t streams;
	uint32_t late, dlq; /* <app>-late, <app>-dlq: always there */
	struct fl_plan_flow *flow;
	uint32_t flows;
	int power;          /* option { durability = "power" } */
	int64_t state_memory; /* option { state_memory = "64MiB" }: of a task's overlay; 0: as it is */
	struct fl_value kafka, option; /* maps as written */
};

/* The directories that scripts are looked up in after the conf's own ../scripts, in order; copied. Before threads. */
void fl_plan_dirs(const char *const *dirs, uint32_t n);

/* Reads and checks a conf. Secrets from env are masked from then on. An error is "conf/yacht.lua:12: …". Warnings
 * (streams nobody writes or reads) go to warn, one a line. */
struct fl_plan *fl_plan_read(const char *file, struct fl_buf *warn, char *err);
/* The same for those that only look at an app's streams: the files of its stages are not opened (a stage has no module),
 * so that a script or plugin that is broken at the moment is in nobody's way. */
struct fl_plan *fl_plan_look(const char *file, char *err);
void fl_plan_free(struct fl_plan *plan);

uint32_t fl_plan_stream_find(const struct fl_plan *plan, struct fl_str name); /* FL_NO_STREAM: none */
const struct fl_plan_flow *fl_plan_flow_find(const struct fl_plan *plan, const char *name);

/* What differs, one line a change ("pipeline enrich: stage speed: span 5s, was 3s"); nothing where they are the same. */
void fl_plan_compare(const struct fl_plan *was, const struct fl_plan *is, struct fl_buf *out);

void fl_plan_text(const struct fl_plan *plan, struct fl_buf *out, int colour);
void fl_plan_mermaid(const struct fl_plan *plan, struct fl_buf *out);
void fl_plan_json(const struct fl_plan *plan, struct fl_buf *out);

#endif
