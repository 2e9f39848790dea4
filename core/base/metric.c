/* The metric table. Metrics are made where a part starts (a lock) and added to by anybody (an atomic); none is ever
 * freed, so that a pointer to one stays good through every reload. */
#include "metric.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_SETS 1000 /* of one name: a label made from data must not eat the memory */
#define BUCKETS 1024u

static const struct {
	const char *name, *help;
} known[] = {
	{"fairlead_events_in_total", "Records read from the input of a pipeline"},
	{"fairlead_events_out_total", "Records written by a pipeline and committed"},
	{"fairlead_events_late_total", "Events that came later than a pipeline waits for"},
	{"fairlead_events_dropped_total", "Events dropped by a stage, by reason"},
	{"fairlead_dead_letters_total", "Records sent to the dead-letter stream"},
	{"fairlead_commits_total", "Atomic steps committed"},
	{"fairlead_reloads_total", "Scripts and plugins replaced while running"},
	{"fairlead_reload_failures_total", "Scripts and plugins that failed to load or open and changed nothing"},
	{"fairlead_task_failures_total", "Times that a task or sink failed as a whole and went back to its last commit"},
};

struct entry {
	struct fl_metric m; /* first: a metric is its entry */
	struct entry *same; /* the next of the bucket */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *bucket[BUCKETS];
static struct fl_metric *first, **last = &first;

/* How many label sets a name has. Names are few. */
static struct {
	const char *name;
	uint32_t sets;
} *names;
static uint32_t name_count;

static uint32_t hash(const char *name, const char *labels)
{
	uint32_t h = 2166136261u;
	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	for (const char *p = labels; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return h % BUCKETS;
}

static struct fl_metric *find(const char *name, const char *labels)
{
	for (struct entry *e = bucket[hash(name, labels)]; e; e = e->same)
		if (strcmp(e->m.name, name) == 0 && strcmp(e->m.labels, labels) == 0)
			return &e->m;
	return NULL;
}

static const char *help_of(const char *name, const char *help)
{
	for (size_t i = 0; !help && i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].name, name) == 0)
			help = known[i].help;
	return help ? help : "";
}

static uint32_t *sets_of(const char *name)
{
	for (uint32_t i = 0; i < name_count; i++)
		if (strcmp(names[i].name, name) == 0)
			return &names[i].sets;
	names = fl_realloc(names, (name_count + 1) * sizeof *names);
	names[name_count].name = fl_strdup(name);
	names[name_count].sets = 0;
	return &names[name_count++].sets;
}

static struct fl_metric *make(const char *name, const char *labels, const char *help)
{
	++*sets_of(name);
	struct entry *e = fl_alloc(sizeof *e);
	uint32_t h = hash(name, labels);
	e->m.name = fl_strdup(name);
	e->m.labels = fl_strdup(labels);
	e->m.help = fl_strdup(help_of(name, help));
	e->same = bucket[h];
	bucket[h] = e;
	*last = &e->m;
	last = &e->m.next;
	return &e->m;
}

/* The labels with the value of the last one as "other"; they come quoted: a="b",c="d". A quote within a value is
 * escaped, so the last =" is found by reading values from the front. */
static char *others(const char *labels)
{
	const char *value = NULL;
	for (const char *p = labels; (p = strstr(p, "=\""));) {
		value = p + 2;
		for (p = value; *p && *p != '"'; p++)
			if (*p == '\\' && p[1])
				p++;
		if (*p)
			p++;
	}
	return value ? fl_printf("%.*sother\"", (int)(value - labels), labels) : fl_strdup(labels);
}

struct fl_metric *fl_metric_get(const char *name, const char *labels, const char *help)
{
	if (!labels)
		labels = "";
	pthread_mutex_lock(&lock);
	struct fl_metric *m = find(name, labels);
	if (!m && *sets_of(name) >= LABEL_SETS) {
		char *other = others(labels);
		m = find(name, other);
		if (!m)
			m = make(name, other, help);
		free(other);
	} else if (!m) {
		m = make(name, labels, help);
	}
	pthread_mutex_unlock(&lock);
	return m;
}

void fl_metric_each(void (*see)(void *arg, struct fl_metric *m), void *arg)
{
	pthread_mutex_lock(&lock);
	struct fl_metric *m = first;
	pthread_mutex_unlock(&lock);
	while (m) {
		see(arg, m);
		pthread_mutex_lock(&lock);
		m = m->next;
		pthread_mutex_unlock(&lock);
	}
}

uint64_t fl_metric_sum(const char *name, const char *part)
{
	uint64_t sum = 0;
	pthread_mutex_lock(&lock);
	for (struct fl_metric *m = first; m; m = m->next)
		if (strcmp(m->name, name) == 0 && (!part || strstr(m->labels, part)))
			sum += fl_metric_read(m);
	pthread_mutex_unlock(&lock);
	return sum;
}
