/* The log: one line an event on stderr, as text or JSON; thread-safe. Secrets that were named never appear in it. */
#ifndef FL_BASE_LOG_H
#define FL_BASE_LOG_H

#include <stdio.h>

#include "err.h"

/* json: one object a line. level: the least important that is written. Called once, before threads start. */
void fl_log_setup(int json, enum fl_level level);

/* who is the app, pipeline or part that speaks ("yacht/enrich"), NULL for the daemon itself. The text is one sentence,
 * without a newline at its end. The same text of the same who within a second is counted instead of repeated. */
void fl_log(enum fl_level level, const char *who, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A line that the status display keeps at the bottom of a terminal; NULL removes it. Does nothing off a terminal. */
void fl_log_status(const char *line);

/* Whether colours and a status line go to stderr: a terminal, and NO_COLOR is not set. */
int fl_log_tty(void);

/* Every later line that would show this text shows *** in its place; texts under 4 bytes are not kept. */
void fl_secret_add(const char *secret);
/* The same for texts that go elsewhere (stdout): masks in place. */
void fl_secret_mask(char *text);

#endif
