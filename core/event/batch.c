/* The names that a pipeline's stages ask for, and a batch's memory and life. Fields are shared by the workers of a
 * pipeline; a batch belongs to the thread of its worker, which fills and empties it again and again. */
#include "batch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "json.h"

struct fl_fields {
	pthread_mutex_t lock; /* for adding; what is below n never changes */
	_Atomic uint32_t n;
	struct {
		struct fl_str name, member;
	} field[FL_COLUMNS_MAX];
};

struct fl_fields *fl_fields_new(void)
{
	struct fl_fields *f = fl_alloc(sizeof *f);
	pthread_mutex_init(&f->lock, NULL);
	return f;
}

void fl_fields_free(struct fl_fields *f)
{
	if (!f)
		return;
	for (uint32_t k = 0; k < f->n; k++) {
		free((char *)f->field[k].name.p);
		free((char *)f->field[k].member.p);
	}
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void fill_field(struct fl_fields *f, uint32_t k, struct fl_str name)
{
	char *copy = fl_alloc((size_t)name.len + 1);
	if (name.len)
		memcpy(copy, name.p, name.len);
	struct fl_buf member = {0};
	fl_buf_byte(&member, ',');
	if (fl_json_string(&member, name) == 0) {
		fl_buf_byte(&member, ':');
		memset(fl_buf_room(&member, FL_PAD), 0, FL_PAD);
	} else {
		fl_buf_free(&member);
	}
	f->field[k].name = (struct fl_str){copy, name.len};
	f->field[k].member = (struct fl_str){member.p, (uint32_t)member.len};
}

uint32_t fl_fields_add(struct fl_fields *f, struct fl_str name)
{
	pthread_mutex_lock(&f->lock);
	uint32_t n = f->n, k = 0;
	while (k < n && !fl_str_eq(f->field[k].name, name))
		k++;
	if (k == n && n < FL_COLUMNS_MAX) {
		fill_field(f, k, name);
		f->n = n + 1;
	}
	pthread_mutex_unlock(&f->lock);
	return k < FL_COLUMNS_MAX ? k : FL_NO_FIELD;
}

struct fl_str fl_fields_member(const struct fl_fields *f, uint32_t col) { return f->field[col].member; }

/* One block a column, which never moves. */
static struct fl_column *make_column(uint32_t capacity, struct fl_str name)
{
	struct fl_column *c;
	size_t n = capacity;
	size_t cell = sizeof *c->str + sizeof *c->num + sizeof *c->at + sizeof *c->len + sizeof *c->type + sizeof *c->dirty;
	c = fl_alloc(sizeof *c + n * cell);
	c->str = (struct fl_str *)(c + 1);
	c->num = (double *)(c->str + n);
	c->at = (uint32_t *)(c->num + n);
	c->len = c->at + n;
	c->type = (uint8_t *)(c->len + n);
	c->dirty = c->type + n;
	c->name = name;
	return c;
}

static void make_columns(struct fl_events *ev)
{
	uint32_t n = ev->fields->n;
	for (; ev->b.columns < n; ev->b.columns++)
		ev->b.column[ev->b.columns] = make_column(ev->capacity, ev->fields->field[ev->b.columns].name);
}

struct fl_events *fl_events_new(struct fl_fields *fields, const struct fl_codec *codec, struct fl_limits limits,
	uint32_t capacity)
{
	struct fl_events *ev = fl_alloc(sizeof *ev);
	size_t n = ev->capacity = capacity ? capacity : FL_BATCH_MAX;
	ev->fields = fields;
	ev->codec = codec;
	limits.record = limits.record ? limits.record : 1 << 20;
	limits.depth = limits.depth ? limits.depth : 64;
	limits.depth = limits.depth < FL_DEPTH_MAX ? limits.depth : FL_DEPTH_MAX;
	ev->limits = limits;
	ev->decoder = codec->open(limits);
	ev->b.column = fl_alloc(FL_COLUMNS_MAX * sizeof *ev->b.column);
	ev->b.outcome = fl_alloc(n * sizeof *ev->b.outcome);
	ev->b.value = fl_alloc(n * sizeof *ev->b.value);
	ev->b.key = fl_alloc(n * sizeof *ev->b.key);
	ev->b.headers = fl_alloc(n * sizeof *ev->b.headers);
	ev->b.time = fl_alloc(n * sizeof *ev->b.time);
	ev->b.offset = fl_alloc(n * sizeof *ev->b.offset);
	ev->b.touched = fl_alloc(n * sizeof *ev->b.touched);
	ev->b.route = fl_alloc(n * sizeof *ev->b.route);
	ev->b.hash = fl_alloc(n * sizeof *ev->b.hash);
	make_columns(ev);
	return ev;
}

void fl_events_free(struct fl_events *ev)
{
	if (!ev)
		return;
	ev->codec->close(ev->decoder);
	for (uint32_t c = 0; c < ev->b.columns; c++)
		free(ev->b.column[c]);
	free(ev->b.column);
	free(ev->b.outcome);
	free(ev->b.value);
	free(ev->b.key);
	free(ev->b.headers);
	free(ev->b.time);
	free(ev->b.offset);
	free(ev->b.touched);
	free(ev->b.route);
	free(ev->b.hash);
	free(ev->why);
	free(ev->emitted);
	fl_arena_free(&ev->arena);
	free(ev);
}

void fl_events_begin(struct fl_events *ev, const char *stream, uint32_t partition, double now)
{
	for (uint32_t c = 0; c < ev->b.columns; c++)
		if (ev->b.column[c]->written) {
			memset(ev->b.column[c]->dirty, 0, ev->b.n);
			ev->b.column[c]->written = 0;
		}
	memset(ev->b.outcome, FL_PASS, ev->b.n * sizeof *ev->b.outcome);
	memset(ev->b.touched, 0, ev->b.n * sizeof *ev->b.touched);
	memset(ev->b.route, 0, ev->b.n * sizeof *ev->b.route);
	memset(ev->b.hash, 0, ev->b.n * sizeof *ev->b.hash);
	fl_arena_reset(&ev->arena);
	ev->b.n = ev->whys = ev->emits = 0;
	ev->loaded = 0;
	ev->b.stream = stream;
	ev->b.partition = partition;
	ev->b.now = now;
	make_columns(ev);
}

/* The cells of columns from..to are absent until the codec finds them. */
static void decode(struct fl_events *ev, uint32_t from, uint32_t to)
{
	for (uint32_t c = from; c < to; c++) {
		memset(ev->b.column[c]->type, FL_ABSENT, ev->b.n);
		memset(ev->b.column[c]->at, 0xFF, ev->b.n * sizeof *ev->b.column[c]->at);
	}
	ev->codec->decode(ev->decoder, ev, from, to);
}

void fl_events_decode(struct fl_events *ev)
{
	decode(ev, 0, ev->b.columns);
	ev->loaded = 1;
}

uint32_t fl_events_column(struct fl_events *ev, struct fl_str name)
{
	uint32_t from = ev->b.columns;
	for (uint32_t c = 0; c < from; c++)
		if (fl_str_eq(ev->b.column[c]->name, name))
			return c;
	uint32_t col = fl_fields_add(ev->fields, name);
	if (col == FL_NO_FIELD)
		return col;
	make_columns(ev);
	if (ev->loaded)
		decode(ev, from, ev->b.columns);
	return col;
}
