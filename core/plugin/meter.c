/* The counters of plugins, with a value of their own label a metric. What an event counts is collected here by its
 * instance's thread, and becomes part of the metrics, which all threads share, before each commit. */
#include <stdlib.h>
#include <string.h>

#include "../base/metric.h"
#include "private.h"

#define METER_MAGIC 0xf1373737u
#define MOST_LABELS 1000 /* values of one meter's own label; all further ones count as "other" */
#define TABLE 2048       /* a power of two, at most half full */

/* A line of the cache: all that a short value takes is in one place. */
struct counted {
	uint64_t hash;
	struct fl_metric *metric; /* NULL: free */
	uint64_t n;               /* not in the metric yet */
	const char *value;        /* text, or memory of its own */
	uint32_t len;
	char text[28];
};

struct fl_meter {
	uint32_t magic;
	char *name, *help, *label, *labels;
	struct fl_metric *plain, *other; /* without a label of its own; of the values over the limit */
	struct counted *table;           /* [TABLE] by hash */
	uint32_t values, waiting;
	uint16_t wait[MOST_LABELS];      /* places in the table whose n is not 0 */
	struct fl_meter *next;
};

struct fl_meter *fl_meter_new(struct fl_meter *next, const char *name, const char *help, const char *label, const char *labels)
{
	struct fl_meter *m = fl_alloc(sizeof *m);
	m->magic = METER_MAGIC;
	m->next = next;
	m->name = fl_printf("fairlead_%s_total", name);
	m->help = fl_strdup(help ? help : "");
	m->labels = fl_strdup(labels);
	m->label = label ? fl_strdup(label) : NULL;
	if (label)
		m->table = fl_alloc(TABLE * sizeof *m->table);
	else
		m->plain = fl_metric_get(m->name, m->labels, m->help);
	return m;
}

/* label="value" behind the stage's own labels, escaped as the text format of metrics has it. */
static struct fl_metric *labelled(struct fl_meter *m, struct fl_str value)
{
	struct fl_buf b = {0};
	fl_buf_printf(&b, "%s%s%s=\"", m->labels, m->labels[0] ? "," : "", m->label);
	for (uint32_t i = 0; i < value.len; i++) {
		char c = value.p[i];
		if (c == '"' || c == '\\' || c == '\n')
			fl_buf_byte(&b, '\\');
		fl_buf_byte(&b, c == '\n' ? 'n' : c ? c : ' ');
	}
	fl_buf_add(&b, "\"", 2);
	struct fl_metric *metric = fl_metric_get(m->name, b.p, m->help);
	fl_buf_free(&b);
	return metric;
}

/* NULL: there are too many values, and this one is none of them. */
__attribute__((noinline)) static struct counted *add(struct fl_meter *m, struct counted *c, struct fl_str value, uint64_t hash)
{
	if (m->values == MOST_LABELS)
		return NULL;
	m->values++;
	char *to = value.len <= sizeof c->text ? c->text : fl_alloc(value.len);
	if (value.len)
		memcpy(to, value.p, value.len);
	c->hash = hash;
	c->value = to;
	c->len = value.len;
	c->metric = labelled(m, value);
	return c;
}

static inline struct counted *find(struct fl_meter *m, struct fl_str value, uint64_t hash)
{
	uint32_t at = (uint32_t)hash & (TABLE - 1);
	struct counted *c;
	for (; (c = &m->table[at])->metric; at = (at + 1) & (TABLE - 1))
		if (c->hash == hash && c->len == value.len && fl_same(c->value, value.p, value.len))
			return c;
	return add(m, c, value, hash);
}

void fl_meter_count(struct fl_meter *m, struct fl_str value, uint64_t hash, uint64_t n)
{
	FL_ASSERT(m && m->magic == METER_MAGIC);
	if (!n)
		return;
	if (m->plain) {
		fl_metric_add(m->plain, n);
		return;
	}
	struct counted *c = find(m, value, hash ? hash : fl_key_hash(value));
	if (!c) {
		m->other = m->other ? m->other : labelled(m, fl_str("other"));
		fl_metric_add(m->other, n);
		return;
	}
	if (!c->n)
		m->wait[m->waiting++] = (uint16_t)(c - m->table);
	c->n += n;
}

void fl_meter_ahead(const struct fl_meter *m, uint64_t hash)
{
	if (m->table)
		__builtin_prefetch(&m->table[hash & (TABLE - 1)], 1);
}

void fl_meter_settle(struct fl_meter *m)
{
	for (; m; m = m->next) {
		for (uint32_t k = 0; k < m->waiting; k++) {
			struct counted *c = &m->table[m->wait[k]];
			fl_metric_add(c->metric, c->n);
			c->n = 0;
		}
		m->waiting = 0;
	}
}

void fl_meter_free(struct fl_meter *m)
{
	while (m) {
		struct fl_meter *next = m->next;
		for (uint32_t i = 0; m->table && i < TABLE; i++)
			if (m->table[i].value != m->table[i].text)
				free((char *)m->table[i].value);
		free(m->table);
		free(m->name);
		free(m->help);
		free(m->label);
		free(m->labels);
		m->magic = 0;
		free(m);
		m = next;
	}
}
