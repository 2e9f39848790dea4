/* The metric table: counters and gauges that any thread adds to and one reads. Cost of an add: one relaxed atomic.
 * Names and their help stand in metric.c's table; plugins and scripts add theirs by fl_metric_get with a help text. */
#ifndef FL_BASE_METRIC_H
#define FL_BASE_METRIC_H

#include <stdatomic.h>

#include "err.h"

struct fl_metric {
	_Atomic uint64_t n;
	char *name;   /* fairlead_events_in_total */
	char *labels; /* app="yacht",pipeline="enrich" */
	char *help;
	struct fl_metric *next;
};

/* The one metric of this name and these labels, made at its first use; lives as long as the process. More than 1,000
 * label sets of one name give its metric with the last label's value "other". help may be NULL for a known name. */
struct fl_metric *fl_metric_get(const char *name, const char *labels, const char *help);

static inline void fl_metric_add(struct fl_metric *m, uint64_t n) { atomic_fetch_add_explicit(&m->n, n, memory_order_relaxed); }
static inline uint64_t fl_metric_read(struct fl_metric *m) { return atomic_load_explicit(&m->n, memory_order_relaxed); }

/* Calls see for each metric, in the order they were made. */
void fl_metric_each(void (*see)(void *arg, struct fl_metric *m), void *arg);
/* The sum over all metrics of a name whose labels contain part (NULL: all). */
uint64_t fl_metric_sum(const char *name, const char *part);

#endif
