/* Instances: a plugin opened with its options, bound to a task's state, and called. Opened on any thread, also beside a
 * running instance; then used by its task's worker alone. */
#include <stdlib.h>
#include <string.h>

#include "private.h"

/* A plugin's own sentence, or that it gave none, behind the stage's name. */
static int failed(const struct fl_ctx *ctx, char *err)
{
	err[FL_ERRLEN - 1] = 0;
	if (!err[0])
		fl_err(err, "it failed and did not say why");
	return fl_err_in(err, "%s", ctx->stage);
}

static int is_good(const struct fl_instance *in, int rc, char *err)
{
	return rc == 0 ? 0 : failed(in->ctx, err);
}

static void enter(struct fl_instance *in, struct fl_events *ev, double now)
{
	in->ctx->ev = ev;
	in->ctx->now = now;
	ev->stage = in->ctx->stage;
}

static void leave(struct fl_instance *in, struct fl_events *ev)
{
	in->ctx->ev = NULL;
	ev->stage = NULL;
}

struct fl_instance *fl_instance_open(struct fl_module *m, const struct fl_instance_conf *conf, char *err)
{
	struct fl_instance *in = fl_alloc(sizeof *in);
	struct fl_ctx *ctx = fl_ctx_new(conf);
	*in = (struct fl_instance){fl_module_ref(m), m->plugin, NULL, ctx};
	struct fl_filling f = {.word = "plugin", .arena = &ctx->arena, .fields = conf->fields};
	int line, opened = 0;
	err[0] = 0;
	ctx->conf = fl_alloc(m->plugin->conf_size + 1);
	if (fl_options_fill(m->plugin, conf->opts, &f, ctx->conf, &line, err) != 0)
		goto out;
	ctx->opening = 1;
	opened = m->plugin->open(ctx, &fl_host, ctx->conf, &in->self, err) == 0;
	ctx->opening = 0;
	if (!opened) {
		failed(ctx, err);
		goto out;
	}
	if (!ctx->failed[0])
		return in;
	fl_err(err, "%s: %s", ctx->stage, ctx->failed);
out:
	if (opened)
		m->plugin->close(in->self);
	fl_ctx_free(ctx);
	fl_module_unref(m);
	free(in);
	return NULL;
}

void fl_instance_close(struct fl_instance *in)
{
	if (!in)
		return;
	in->plugin->close(in->self);
	fl_ctx_free(in->ctx);
	fl_module_unref(in->module);
	free(in);
}

/* The version that wrote the instance's stores stands in a store of the task's own, by stage. */
static int migrate(struct fl_instance *in, struct fl_state *state, char *err)
{
	struct fl_ctx *ctx = in->ctx;
	char *name = fl_printf("%s._versions", ctx->prefix);
	struct fl_store *versions = fl_state_store(state, name, 0, err);
	free(name);
	if (!versions)
		return fl_err_in(err, "%s", ctx->stage);
	struct fl_str key = fl_str(ctx->stage);
	uint64_t hash = fl_key_hash(key);
	uint32_t len = 0, old = 0;
	const void *kept = fl_store_get(versions, key, hash, &len);
	if (kept && len == sizeof old)
		memcpy(&old, kept, sizeof old);
	if (old == in->plugin->state_version)
		return 0;
	fl_state_mark(state);
	if (in->plugin->migrate && in->plugin->migrate(in->self, old, err) != 0) {
		fl_state_rollback(state);
		failed(ctx, err);
		return fl_err_in(err, "state of version %u can't be migrated to %u", old, in->plugin->state_version);
	}
	fl_store_put(versions, key, hash, &in->plugin->state_version, sizeof in->plugin->state_version);
	return 0;
}

const char *fl_instance_store(const struct fl_instance *in, uint32_t k)
{
	const struct fl_slot *slot = in->ctx->slot;
	while (slot && k--)
		slot = slot->next;
	return slot ? slot->name + strlen(in->ctx->prefix) + 1 : NULL;
}

int fl_instance_bind(struct fl_instance *in, struct fl_state *state, char *err)
{
	err[0] = 0;
	for (struct fl_slot *slot = in->ctx->slot; slot; slot = slot->next) {
		slot->store = fl_state_store(state, slot->name, slot->ttl, err);
		if (!slot->store)
			return fl_err_in(err, "%s", in->ctx->stage);
	}
	return in->ctx->slot ? migrate(in, state, err) : 0;
}

void fl_instance_settle(struct fl_instance *in) { fl_meter_settle(in->ctx->meter); }

int fl_instance_process(struct fl_instance *in, struct fl_events *ev, char *err)
{
	err[0] = 0;
	enter(in, ev, ev->b.now);
	int rc = in->plugin->process(in->self, &ev->b, err);
	leave(in, ev);
	return is_good(in, rc, err);
}

int fl_instance_tick(struct fl_instance *in, struct fl_events *ev, double now, char *err)
{
	if (!in->plugin->tick)
		return 0;
	err[0] = 0;
	enter(in, ev, now);
	int rc = in->plugin->tick(in->self, now, err);
	leave(in, ev);
	return is_good(in, rc, err);
}

int fl_instance_read(struct fl_instance *in, struct fl_events *ev, uint32_t want, double *wait, char *err)
{
	err[0] = 0;
	*wait = 0;
	enter(in, ev, ev->b.now);
	int rc = in->plugin->read(in->self, want, wait, err);
	leave(in, ev);
	return rc >= 0 || rc == -2 ? rc : failed(in->ctx, err);
}

int fl_instance_position(struct fl_instance *in, struct fl_position *pos, char *err)
{
	err[0] = 0;
	pos->next = -1;
	return in->plugin->position ? is_good(in, in->plugin->position(in->self, pos, err), err) : 0;
}

int fl_instance_write(struct fl_instance *in, struct fl_events *ev, char *err)
{
	err[0] = 0;
	enter(in, ev, ev->b.now);
	in->ctx->ev = NULL; /* nobody takes what a sink emits */
	int rc = in->plugin->write(in->self, &ev->b, err);
	leave(in, ev);
	return is_good(in, rc, err);
}

int fl_instance_flush(struct fl_instance *in, const struct fl_position *pos, uint32_t n, char *err)
{
	err[0] = 0;
	fl_instance_settle(in);
	return is_good(in, in->plugin->flush(in->self, pos, n, err), err);
}
