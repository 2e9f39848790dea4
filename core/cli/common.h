/* What the verbs share: reading a conf, finding the installed files, opening an app's streams beside its daemon, saying
 * what went wrong. Exit status: 0, 1 for a failure, 2 for usage or a wrong conf. */
#ifndef FL_CLI_COMMON_H
#define FL_CLI_COMMON_H

#include "../plan/plan.h"
#include "../stream/stream.h"

/* "fairlead: …" on stderr, and status back. */
int fl_cli_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, with a pointer to `fairlead VERB --help`; 2. */
int fl_cli_misused(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Where plugins and scripts are looked up: beside the conf, beside the binary, where they are installed. conf may be NULL. */
void fl_cli_dirs(const char *conf);
/* The directory of fairlead.h for building plugins; to be freed. */
char *fl_cli_include(void);

/* Reads a conf whole; NULL after printing what is wrong with it. warnings: prints them too. */
struct fl_plan *fl_cli_plan(const char *file, int warnings);
/* The same for verbs that only look at its streams, whatever its scripts and plugins are at the moment. */
struct fl_plan *fl_cli_look(const char *file);

/* Whether plan[n] is of another app than those before it; 0 after saying so. */
int fl_cli_new_app(struct fl_plan *const *plan, uint32_t n);

/* The app's streams in DIR, beside a daemon or without one. NULL after printing why not. */
struct fl_streams *fl_cli_streams(const struct fl_plan *plan, const char *data, enum fl_streams_mode mode);
/* The index in the plan, FL_NO_STREAM after printing the nearest name. */
uint32_t fl_cli_stream(const struct fl_plan *plan, const char *name);

/* A positive whole number, or -1. */
long long fl_cli_number(const char *text);

#endif
