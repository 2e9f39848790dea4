/* lateness: splits off the events that come too late.
 *
 * An event is late when its time is not after the highest time seen so far less `allow`; the first one of a key (or, with
 * by = "partition", of a partition) never is. Late events go to the stream `to`, or else to the app's own late stream.
 *
 * State: one struct mark a key, or one for the whole partition under a key of its own. The host calls process() on the
 * thread of the task that owns the instance. Nothing is allocated after open().
 */
#include "fairlead.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BY_KEY, BY_PARTITION };

struct conf {
	double allow;
	uint32_t by, to;
};

/* What the store keeps. Another layout needs another version, and a migrate(). */
#define VERSION 1u
struct mark {
	uint32_t version; /* 0: nothing was seen yet */
	uint32_t unused;
	double highest;
};

struct self {
	struct fl_ctx *ctx;
	const struct fl_host *host;
	const struct conf *conf;
	struct fl_store *store;
	struct fl_meter *late, *on_time;
};

/* Texts don't begin with a zero byte, so that no record's key is the same. */
static const struct fl_str PARTITION = {"\0partition", 10};

static int lateness_open(struct fl_ctx *ctx, const struct fl_host *host, const void *conf, void **out, char *err)
{
	const struct conf *c = conf;
	if (c->allow < 0) {
		snprintf(err, FL_ERRLEN, "allow is %g seconds; it can't be less than 0", c->allow);
		return -1;
	}
	struct self *self = calloc(1, sizeof *self);
	if (!self) {
		snprintf(err, FL_ERRLEN, "no memory is left");
		return -1;
	}
	*self = (struct self){.ctx = ctx, .host = host, .conf = c};
	self->store = host->store(ctx, NULL, 0);
	self->late = host->meter(ctx, "lateness_late", "Events that came too late, by key", "key");
	self->on_time = host->meter(ctx, "lateness_on_time", "Events that came in time, by key", "key");
	*out = self;
	return 0;
}

static void lateness_close(void *self)
{
	free(self);
}

/* 1: an event of time t is late; 0: it is not, and the mark is moved up to it. */
static inline int is_late(struct mark *mark, double t, double allow)
{
	if (mark->version == VERSION && t <= mark->highest - allow)
		return 1;
	if (mark->version != VERSION || t > mark->highest)
		mark->highest = t;
	mark->version = VERSION;
	return 0;
}

static int check(const struct mark *mark, uint32_t len, char *err)
{
	if (mark->version == 0 || (mark->version == VERSION && len >= sizeof *mark))
		return 0;
	snprintf(err, FL_ERRLEN, "the kept state is of version %u, and this plugin knows version %u: use the lateness.so that "
	         "wrote it, or delete the app's data", mark->version, VERSION);
	return -1;
}

static int by_key(struct self *self, struct fl_batch *b, char *err)
{
	const struct fl_host *host = self->host;
	const double allow = self->conf->allow;
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->outcome[i] != FL_PASS)
			continue;
		if (!b->key[i].p) {
			host->reject(self->ctx, b, i, "the record has no key, so nothing tells whether it is late: give stream \"%s\" "
			             "a key field, or lateness by = \"partition\"", b->stream);
			continue;
		}
		uint32_t len;
		struct mark *mark = host->state_at(self->store, b, i, sizeof *mark, &len);
		if (!mark)
			continue; /* the host has rejected it: its key is too long */
		if (check(mark, len, err) < 0)
			return -1;
		if (is_late(mark, b->time[i], allow)) {
			host->late(self->ctx, b, i, self->conf->to);
			host->count_key(self->late, b, i, 1);
		} else {
			host->state_changed(self->store, mark, sizeof *mark);
			host->count_key(self->on_time, b, i, 1);
		}
	}
	return 0;
}

/* One mark for all: read and kept once a batch. */
static int by_partition(struct self *self, struct fl_batch *b, char *err)
{
	const struct fl_host *host = self->host;
	struct mark mark = {0};
	uint32_t len = 0;
	const void *kept = host->state_get(self->store, PARTITION, &len);
	if (kept)
		memcpy(&mark, kept, len < sizeof mark ? len : sizeof mark);
	if (check(&mark, len, err) < 0)
		return -1;
	const struct mark was = mark;
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->outcome[i] != FL_PASS)
			continue;
		int late = is_late(&mark, b->time[i], self->conf->allow);
		if (late)
			host->late(self->ctx, b, i, self->conf->to);
		host->count_key(late ? self->late : self->on_time, b, i, 1);
	}
	if (memcmp(&mark, &was, sizeof mark) == 0)
		return 0;
	return host->state_put(self->store, PARTITION, &mark, sizeof mark, err);
}

static int lateness_process(void *arg, struct fl_batch *b, char *err)
{
	struct self *self = arg;
	return self->conf->by == BY_KEY ? by_key(self, b, err) : by_partition(self, b, err);
}

static const struct fl_option OPTIONS[] = {
	{"by", FL_OPT_CHOICE, "key", "whose highest time an event is compared with", offsetof(struct conf, by), "key|partition"},
	{"allow", FL_OPT_DURATION, "0s", "how far behind the highest time an event may be", offsetof(struct conf, allow), NULL},
	{"to", FL_OPT_STREAM, NULL, "where late events go; the app's late stream where not given", offsetof(struct conf, to), NULL},
	{0},
};

const struct fl_plugin fl_plugin = {
	.abi = FL_ABI,
	.size = sizeof(struct fl_plugin),
	.kind = FL_TRANSFORM,
	.name = "lateness",
	.version = "1.0",
	.help = "splits off events that come too late, and counts them by key",
	.options = OPTIONS,
	.conf_size = sizeof(struct conf),
	.open = lateness_open,
	.close = lateness_close,
	.process = lateness_process,
	.state_version = VERSION,
};
