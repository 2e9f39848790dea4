/* hello: passes an event on when a number in it has changed enough, and says by how much.
 *
 *     plugin "hello" { field = "temperature", least = 0.5 }
 *
 * A sensor that repeats itself is cut down to what is news: the first event of each key passes, and then those whose
 * field differs by at least `least` from that of the last one that passed. They get a field "change". The others are
 * dropped, with a reason that the host counts.
 *
 * It is here to be read and copied: plugins/README.md walks through it. A plugin includes one header of Fairlead's and
 * whatever of C's it likes.
 */
#include "fairlead.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* 1. Options. The host reads them from the conf, checks them by the table further down, and fills this struct. */
struct conf {
	uint32_t field; /* a column of every batch */
	double least;
};

/* 2. State: what is remembered of a key. The host keeps these bytes exactly as it keeps the events, also when the
 * process is killed; so their layout has a version, and holds no pointers. */
#define VERSION 1u
struct last {
	uint32_t version; /* new memory is zero, so 0 says: the first event of its key */
	uint32_t unused;  /* keeps what follows in one place with every compiler */
	double value;
};

/* 3. An instance. There may be several at once (one a partition, one more during a reload), each used by one thread at
 * a time: all that changes lives here, nothing in globals. */
struct self {
	struct fl_ctx *ctx;
	const struct fl_host *host;
	const struct conf *conf;
	struct fl_store *store;
	struct fl_meter *news;
	uint32_t change; /* the column that is written */
};

/* 4. open(): once an instance. Whatever can be asked for in advance is asked for here. conf and ctx stay until close(). */
static int hello_open(struct fl_ctx *ctx, const struct fl_host *host, const void *conf, void **out, char *err)
{
	const struct conf *c = conf;
	if (!(c->least >= 0)) {
		/* An error is -1 and one sentence; the host adds which stage of which conf it was. */
		snprintf(err, FL_ERRLEN, "least is %g; it can't be less than 0", c->least);
		return -1;
	}
	struct self *self = calloc(1, sizeof *self);
	if (!self) {
		snprintf(err, FL_ERRLEN, "no memory is left");
		return -1;
	}
	self->ctx = ctx;
	self->host = host;
	self->conf = c;
	self->store = host->store(ctx, NULL, 0);     /* NULL: named as the stage; 0: keys are kept for ever */
	self->change = host->field(ctx, "change");   /* as if it had been an option */
	self->news = host->meter(ctx, "hello_news", "Events whose field had changed enough", NULL);
	*out = self;
	return 0;
}

static void hello_close(void *self)
{
	free(self);
}

/* 5. process(): once a batch. b and all it points to are borrowed until this returns. */
static int hello_process(void *arg, struct fl_batch *b, char *err)
{
	struct self *self = arg;
	const struct fl_host *host = self->host;
	const struct fl_column *field = b->column[self->conf->field];
	(void)err; /* -1 would stop the whole task: for what is wrong with the plugin's world, not with one event */

	for (uint32_t i = 0; i < b->n; i++) {
		if (b->outcome[i] != FL_PASS)
			continue; /* a stage before this one dropped it */
		if (field->type[i] != FL_NUMBER) {
			/* To the dead letters, with this sentence. */
			host->reject(self->ctx, b, i, "field \"%.*s\" is no number", (int)field->name.len, field->name.p);
			continue;
		}
		uint32_t len;
		struct last *last = host->state_at(self->store, b, i, sizeof *last, &len);
		if (!last)
			continue; /* a key that is too long: the host has rejected the event */

		double change = last->version ? field->num[i] - last->value : 0;
		if (last->version && fabs(change) < self->conf->least) {
			host->drop(self->ctx, b, i, "no news"); /* counted by reason: keep reasons few */
			continue;
		}
		last->version = VERSION;
		last->value = field->num[i];
		host->state_changed(self->store, last, sizeof *last); /* without this, nothing was changed */
		host->set_number(self->ctx, b, self->change, i, change);
		host->count(self->news, (struct fl_str){NULL, 0}, 1);
	}
	return 0;
}

/* 6. The option table: name, type, default ("!": it must be given), help, where it goes. `fairlead plugins hello` prints it. */
static const struct fl_option OPTIONS[] = {
	{"field", FL_OPT_FIELD, "!", "the field to watch, a number", offsetof(struct conf, field), NULL},
	{"least", FL_OPT_NUMBER, "1", "the least difference that is news", offsetof(struct conf, least), NULL},
	{0},
};

/* 7. The one symbol that the host looks for. */
const struct fl_plugin fl_plugin = {
	.abi = FL_ABI,
	.size = sizeof(struct fl_plugin),
	.kind = FL_TRANSFORM,
	.name = "hello",
	.version = "1.0",
	.help = "the example: passes events whose field has changed enough",
	.options = OPTIONS,
	.conf_size = sizeof(struct conf),
	.open = hello_open,
	.close = hello_close,
	.process = hello_process,
	.state_version = VERSION,
};
