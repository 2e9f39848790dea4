/* speed: how fast each key moves, as `inst_speed`.
 *
 * The speed of an event is its distance from the key's reference, by the time between the two. The reference is the
 * key's oldest event with event's time − its time ≤ span. Where that time is less than `least` (or the event is its own
 * reference) there is no speed yet, and the event is dropped with that reason, or passed without one where `keep` is set.
 *
 * State: for each key a ring of its events in the order of their times, equal ones as they came; what is more than span
 * older than the newest one is forgotten. An event that comes out of that order takes its place in the ring, and its
 * own speed is measured from what is still there: the oldest event that is not newer than itself, and at most span
 * before it. One that is more than span behind the newest leaves no trace and has no speed. Where lateness stands in
 * front, none of this happens. A ring holds at most `most` events: of more the oldest go, and speeds are measured over
 * the shorter time that is left.
 *
 * The host calls process() on the thread of the task that owns the instance. Nothing is allocated after open().
 */
#include "fairlead.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RADIUS 6371008.8 /* of the sphere, in metres */
#define DEGREE 0.017453292519943295

enum { EARTH, DEGREES };

struct conf {
	uint32_t x, y, metric;
	uint8_t keep;
	double span, least;
	int64_t most;
};

/* What the store keeps: a ring, and behind it its room for points. Another layout needs another version. */
#define VERSION 1u
#define ROOM 4u /* of the smallest ring; all are powers of two */
struct point {
	double t, x, y;
	double cos_y; /* of y as degrees: asked for as the event itself and again as a reference */
};
struct ring {
	uint32_t version; /* 0: new */
	uint32_t room;
	uint32_t first, n; /* point[(first + k) & (room - 1)] is the k-th oldest of n */
	struct point point[];
};

struct self {
	struct fl_ctx *ctx;
	const struct fl_host *host;
	const struct conf *conf;
	struct fl_store *store;
	uint32_t out;  /* the column inst_speed */
	uint32_t most; /* a power of two */
	int warned;    /* that a ring is full */
};

static int speed_open(struct fl_ctx *ctx, const struct fl_host *host, const void *conf, void **out, char *err)
{
	const struct conf *c = conf;
	if (!(c->span > 0) || !(c->least >= 0) || c->least > c->span) {
		snprintf(err, FL_ERRLEN, "span is %g seconds and least %g: span must be more than 0, and least from 0 to span", c->span, c->least);
		return -1;
	}
	if (c->most < ROOM || c->most > 1 << 20) {
		snprintf(err, FL_ERRLEN, "most is %lld events; it can be %u to %u", (long long)c->most, ROOM, 1 << 20);
		return -1;
	}
	struct self *self = calloc(1, sizeof *self);
	if (!self) {
		snprintf(err, FL_ERRLEN, "no memory is left");
		return -1;
	}
	*self = (struct self){.ctx = ctx, .host = host, .conf = c, .most = ROOM};
	while (self->most < c->most)
		self->most *= 2;
	self->store = host->store(ctx, NULL, 0);
	self->out = host->field(ctx, "inst_speed");
	*out = self;
	return 0;
}

static void speed_close(void *self)
{
	free(self);
}

/* ---- distance ---- */

/* The haversine, by the operations and in the order of scripts/lib/geo.lua: both give the same bits. */
static double on_earth(const struct point *a, const struct point *b)
{
	double s = sin((b->y - a->y) * DEGREE / 2);
	double u = sin((b->x - a->x) * DEGREE / 2);
	double h = s * s + a->cos_y * b->cos_y * (u * u);
	return 2 * RADIUS * asin(sqrt(h < 1 ? h : 1));
}

static double on_plane(const struct point *a, const struct point *b)
{
	double u = b->x - a->x, v = b->y - a->y;
	return sqrt(u * u + v * v);
}

/* ---- the ring ---- */

static inline struct point *at(struct ring *r, uint32_t k)
{
	return &r->point[(r->first + k) & (r->room - 1)];
}

static inline uint32_t bytes(uint32_t room)
{
	return (uint32_t)(sizeof(struct ring) + room * sizeof(struct point));
}

static void swap_points(struct point *a, struct point *b)
{
	struct point p = *a;
	*a = *b;
	*b = p;
}

static void reverse(struct point *p, uint32_t from, uint32_t to)
{
	while (from + 1 < to)
		swap_points(&p[from++], &p[--to]);
}

/* Turns the ring so that its oldest point stands first in memory, without memory of its own. */
static void straighten(struct ring *r)
{
	if (r->first == 0)
		return;
	reverse(r->point, 0, r->first);
	reverse(r->point, r->first, r->room);
	reverse(r->point, 0, r->room);
	r->first = 0;
}

/* Half the room where three quarters of it are empty, so that a burst does not stay in the state for ever. */
static void shrink(struct ring *r)
{
	if (r->room > ROOM && r->n <= r->room / 4) {
		straighten(r);
		r->room /= 2;
	}
}

/* Puts p in its place by time; there is room for it. Nearly always that is the end. */
static void insert(struct ring *r, const struct point *p)
{
	uint32_t k = r->n++;
	for (; k > 0 && at(r, k - 1)->t > p->t; k--)
		*at(r, k) = *at(r, k - 1);
	*at(r, k) = *p;
}

/* The oldest point with t − its time ≤ span; NULL: none. Times rise, so where that does not hold for one, it does for
 * none before it. */
static struct point *reference(struct ring *r, double t, double span)
{
	uint32_t low = 0, high = r->n;
	if (high && t - at(r, 0)->t <= span)
		return at(r, 0);
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (t - at(r, mid)->t <= span)
			high = mid;
		else
			low = mid + 1;
	}
	return low < r->n ? at(r, low) : NULL;
}

/* The key's ring with room for one point more; NULL with *fail 0: the event is rejected; else err says why. */
static struct ring *ring_of(struct self *self, struct fl_batch *b, uint32_t i, int *fail, char *err)
{
	uint32_t len, more;
	struct ring *r = self->host->state_at(self->store, b, i, bytes(ROOM), &len);
	*fail = 0;
	if (!r)
		return NULL;
	if (r->version == 0) {
		r->version = VERSION;
		r->room = ROOM;
		return r;
	}
	if (r->version != VERSION || r->room < ROOM || (r->room & (r->room - 1)) || len < bytes(r->room) || r->n > r->room || r->first >= r->room) {
		snprintf(err, FL_ERRLEN, "the kept state is of version %u (%u bytes), and this plugin knows version %u: use the "
		         "speed.so that wrote it, or delete the app's data", r->version, len, VERSION);
		*fail = 1;
		return NULL;
	}
	if (r->n < r->room || r->room >= self->most)
		return r;
	more = r->room * 2;
	r = self->host->state_at(self->store, b, i, bytes(more), &len);
	if (r) {
		straighten(r);
		r->room = more;
	}
	return r;
}

/* Forgets what is more than span older than the newest; adds p unless it is that old itself. */
static void keep_point(struct self *self, struct ring *r, const struct point *p, struct fl_str key)
{
	double newest = r->n ? at(r, r->n - 1)->t : p->t;
	if (p->t > newest)
		newest = p->t;
	while (r->n && newest - at(r, 0)->t > self->conf->span) {
		r->first = (r->first + 1) & (r->room - 1);
		r->n--;
	}
	shrink(r);
	if (newest - p->t > self->conf->span)
		return;
	if (r->n == r->room) {
		if (!self->warned)
			self->host->log(self->ctx, FL_WARN, "key \"%.*s\" has more than %u events in %g s: its speeds are measured over a "
			                "shorter time; a larger most, or a shorter span, helps", (int)key.len, key.p, r->room, self->conf->span);
		self->warned = 1;
		if (at(r, 0)->t > p->t)
			return; /* it would be the oldest one itself */
		r->first = (r->first + 1) & (r->room - 1);
		r->n--;
	}
	insert(r, p);
}

/* ---- events ---- */

static const char *kind(uint8_t type)
{
	static const char *const KIND[] = {"missing", "a number", "a string", "a bool", "null", "an object or array", "a number"};
	return type < sizeof KIND / sizeof *KIND ? KIND[type] : "of a type that this plugin doesn't know";
}

static inline int is_number(const struct fl_column *c, uint32_t i)
{
	return c->type[i] == FL_NUMBER || c->type[i] == FL_BIGINT;
}

static int unfit(struct self *self, struct fl_batch *b, uint32_t i, const struct fl_column *x, const struct fl_column *y)
{
	const struct fl_column *bad = is_number(x, i) ? y : x;
	if (!b->key[i].p)
		self->host->reject(self->ctx, b, i, "the record has no key, so nothing tells whose speed it is: give stream \"%s\" a "
		                   "key field", b->stream);
	else if (!is_number(bad, i))
		self->host->reject(self->ctx, b, i, "field \"%.*s\" is %s; speed needs a number", (int)bad->name.len, bad->name.p, kind(bad->type[i]));
	else
		return 0;
	return 1;
}

static void without_speed(struct self *self, struct fl_batch *b, uint32_t i)
{
	if (!self->conf->keep)
		self->host->drop(self->ctx, b, i, "no reference yet");
	else if (b->column[self->out]->type[i] != FL_ABSENT)
		self->host->remove(self->ctx, b, self->out, i);
}

static int speed_process(void *arg, struct fl_batch *b, char *err)
{
	struct self *self = arg;
	const struct conf *c = self->conf;
	const struct fl_column *x = b->column[c->x], *y = b->column[c->y];
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->outcome[i] != FL_PASS || unfit(self, b, i, x, y))
			continue;
		int fail;
		struct ring *r = ring_of(self, b, i, &fail, err);
		if (!r && fail)
			return -1;
		if (!r)
			continue;
		struct point p = {b->time[i], x->num[i], y->num[i], cos(y->num[i] * DEGREE)};
		keep_point(self, r, &p, b->key[i]);
		const struct point *ref = reference(r, p.t, c->span);
		double dt = ref ? p.t - ref->t : 0;
		if (dt > 0 && dt >= c->least)
			self->host->set_number(self->ctx, b, self->out, i, (c->metric == EARTH ? on_earth(ref, &p) : on_plane(ref, &p)) / dt);
		else
			without_speed(self, b, i);
		self->host->state_changed(self->store, r, bytes(r->room));
	}
	return 0;
}

static const struct fl_option OPTIONS[] = {
	{"x", FL_OPT_FIELD, "!", "the field with the longitude, in degrees", offsetof(struct conf, x), NULL},
	{"y", FL_OPT_FIELD, "!", "the field with the latitude, in degrees", offsetof(struct conf, y), NULL},
	{"span", FL_OPT_DURATION, "5s", "how far back the reference may be", offsetof(struct conf, span), NULL},
	{"least", FL_OPT_DURATION, "1s", "the least time to the reference that gives a speed", offsetof(struct conf, least), NULL},
	{"metric", FL_OPT_CHOICE, "earth", "metres a second on the sphere, or degrees a second on the plane", offsetof(struct conf, metric), "earth|degrees"},
	{"keep", FL_OPT_BOOL, "false", "pass events without a speed, instead of dropping them", offsetof(struct conf, keep), NULL},
	{"most", FL_OPT_INT, "4096", "events of a key that are kept (rounded up to a power of two); of more the oldest go", offsetof(struct conf, most), NULL},
	{0},
};

const struct fl_plugin fl_plugin = {
	.abi = FL_ABI,
	.size = sizeof(struct fl_plugin),
	.kind = FL_TRANSFORM,
	.name = "speed",
	.version = "1.0",
	.help = "adds inst_speed: how fast each key has moved over the last seconds",
	.options = OPTIONS,
	.conf_size = sizeof(struct conf),
	.open = speed_open,
	.close = speed_close,
	.process = speed_process,
	.state_version = VERSION,
};
