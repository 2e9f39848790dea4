/* The services that plugins call (struct fl_host of fairlead.h), on the thread that their instance works on. What a
 * plugin gets wrong here is an error of the event or of its open(), never a crash, as far as one can tell. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../event/header.h"
#include "private.h"

#define CTX_MAGIC 0xf1c7c7c7u
#define SLOT_MAGIC 0xf1510751u

static struct fl_events *events_of(struct fl_ctx *ctx, struct fl_batch *b, uint32_t i)
{
	FL_ASSERT(ctx->magic == CTX_MAGIC);
	FL_ASSERT(i < b->n);
	return (struct fl_events *)b; /* its first member */
}

static struct fl_slot *slot_of(struct fl_store *s)
{
	struct fl_slot *slot = (struct fl_slot *)s; /* what l_store gave out */
	FL_ASSERT(slot && slot->magic == SLOT_MAGIC);
	return slot;
}

static void h_log(struct fl_ctx *ctx, enum fl_level level, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	FL_ASSERT(ctx->magic == CTX_MAGIC);
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0) {
		fl_log(level, ctx->who, "%s: %s", ctx->stage, text);
		free(text);
	}
	va_end(ap);
}

/* ---- outcomes and fields --------------------------------------------------------------------------------------- */

static void h_drop(struct fl_ctx *ctx, struct fl_batch *b, uint32_t i, const char *reason)
{
	fl_events_drop(events_of(ctx, b, i), i, ctx->stage, fl_str(reason));
}

static void h_reject(struct fl_ctx *ctx, struct fl_batch *b, uint32_t i, const char *fmt, ...)
{
	char text[FL_ERRLEN];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fl_events_reject(events_of(ctx, b, i), i, ctx->stage, (struct fl_str){0}, fl_str(text));
}

static void h_late(struct fl_ctx *ctx, struct fl_batch *b, uint32_t i, uint32_t stream)
{
	fl_events_late(events_of(ctx, b, i), i, ctx->stage, stream);
}

/* NULL: the plugin writes to a field that it has not asked for, and the event is rejected. */
static struct fl_events *field_of(struct fl_ctx *ctx, struct fl_batch *b, uint32_t field, uint32_t i)
{
	struct fl_events *ev = events_of(ctx, b, i);
	if (__builtin_expect(field < b->columns, 1))
		return ev;
	h_reject(ctx, b, i, "the plugin writes to a field that is not given or was not asked for in open()");
	return NULL;
}

static void h_set_number(struct fl_ctx *ctx, struct fl_batch *b, uint32_t field, uint32_t i, double v)
{
	struct fl_events *ev = field_of(ctx, b, field, i);
	if (ev)
		fl_events_set_number(ev, field, i, v);
}

static void h_set_int(struct fl_ctx *ctx, struct fl_batch *b, uint32_t field, uint32_t i, int64_t v)
{
	struct fl_events *ev = field_of(ctx, b, field, i);
	if (ev)
		fl_events_set_int(ev, field, i, v);
}

static void h_set_string(struct fl_ctx *ctx, struct fl_batch *b, uint32_t field, uint32_t i, struct fl_str s)
{
	struct fl_events *ev = field_of(ctx, b, field, i);
	if (ev)
		fl_events_set_string(ev, field, i, s);
}

static void h_set_json(struct fl_ctx *ctx, struct fl_batch *b, uint32_t field, uint32_t i, struct fl_str text)
{
	struct fl_events *ev = field_of(ctx, b, field, i);
	if (ev)
		fl_events_set_json(ev, field, i, text); /* what is none rejects the event */
}

static void h_remove(struct fl_ctx *ctx, struct fl_batch *b, uint32_t field, uint32_t i)
{
	struct fl_events *ev = field_of(ctx, b, field, i);
	if (ev)
		fl_events_remove(ev, field, i);
}

static uint32_t h_field(struct fl_ctx *ctx, const char *name)
{
	FL_ASSERT(ctx->magic == CTX_MAGIC);
	uint32_t field = ctx->fields && ctx->opening ? fl_fields_add(ctx->fields, fl_str(name)) : FL_NO_FIELD;
	if (field == FL_NO_FIELD && !ctx->failed[0])
		fl_err(ctx->failed, !ctx->opening ? "it asks for the field \"%s\" after open()" :
		       !ctx->fields ? "it asks for the field \"%s\", but a source has no records to read" :
		       "it asks for the field \"%s\", one more than a pipeline can have", name);
	return field;
}

static struct fl_str h_header(const struct fl_batch *b, uint32_t i, const char *name)
{
	FL_ASSERT(i < b->n);
	return fl_header_find(b->headers[i], fl_str(name));
}

static struct fl_str h_record(struct fl_ctx *ctx, struct fl_batch *b, uint32_t i)
{
	return fl_ctx_record(ctx, events_of(ctx, b, i), i);
}

static int h_each_field(struct fl_ctx *ctx, struct fl_batch *b, uint32_t i,
                        int (*see)(void *arg, const struct fl_cell *), void *arg)
{
	return fl_ctx_each_field(ctx, events_of(ctx, b, i), i, see, arg);
}

/* ---- new records ----------------------------------------------------------------------------------------------- */

static void h_emit_to(struct fl_ctx *ctx, struct fl_batch *b, uint32_t i, uint32_t stream, struct fl_str key,
                      struct fl_str value)
{
	struct fl_str none = {0};
	FL_ASSERT(ctx->magic == CTX_MAGIC);
	if (!ctx->ev)
		fl_log(FL_ERROR, ctx->who, "%s: emits outside of process(), tick() and read(), and what it emits is lost",
		       ctx->stage);
	else if (b)
		fl_events_emit(events_of(ctx, b, i), i + 1, stream, key, value, none, b->time[i]);
	else
		fl_events_emit(ctx->ev, ctx->ev->b.n, stream, key, value, none, ctx->now);
}

static void h_emit(struct fl_ctx *ctx, struct fl_batch *b, uint32_t i, struct fl_str key, struct fl_str value)
{
	h_emit_to(ctx, b, i, FL_NO_STREAM, key, value);
}

/* ---- state ----------------------------------------------------------------------------------------------------- */

static int is_store_name(const char *name)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	return name[0] && name[0] != '_' && strspn(name, good) == strlen(name);
}

/* Gives a handle whatever is wrong, so that open() needs no check; fl_instance_open fails afterwards. */
static struct fl_store *h_store(struct fl_ctx *ctx, const char *name, double ttl)
{
	FL_ASSERT(ctx->magic == CTX_MAGIC);
	if (!name)
		name = ctx->stage;
	if (!ctx->failed[0] && !ctx->opening)
		fl_err(ctx->failed, "it asks for the store \"%s\" after open()", name);
	if (!ctx->failed[0] && !ctx->stores)
		fl_err(ctx->failed,
		       "it asks for the store \"%s\", but there is no state here: only pipelines and sources have it", name);
	if (!ctx->failed[0] && !is_store_name(name))
		fl_err(ctx->failed,
		       "it asks for the store \"%s\": a store's name has letters, digits, . _ - only and no _ in front", name);
	if (!ctx->failed[0] && !(ttl >= 0))
		fl_err(ctx->failed, "it asks for the store \"%s\" with a time to live of %g s: 0 is for ever", name, ttl);
	struct fl_slot *slot = fl_alloc(sizeof *slot);
	*slot = (struct fl_slot){SLOT_MAGIC, ctx, NULL, fl_printf("%s.%s", ctx->prefix, name), ttl, ctx->slot};
	ctx->slot = slot;
	return (struct fl_store *)slot;
}

/* The hashes of event i's key and of those behind it: who asks for one asks for them all. */
__attribute__((noinline)) static void hash_keys(struct fl_batch *b, uint32_t i)
{
	for (; i < b->n; i++)
		if (b->key[i].p)
			b->hash[i] = fl_key_hash(b->key[i]);
}

static inline uint64_t hash_of(struct fl_batch *b, uint32_t i)
{
	if (__builtin_expect(!b->hash[i], 0))
		hash_keys(b, i);
	return b->hash[i];
}

/* An event without a key that state can be kept by. */
__attribute__((noinline)) static void *keyless(struct fl_slot *slot, struct fl_batch *b, uint32_t i)
{
	if (!b->key[i].p)
		h_reject(slot->ctx, b, i, "the record has no key, and state is kept by key: give stream %s a key = \"field\"",
		         b->stream);
	else
		h_reject(slot->ctx, b, i, "the key has %u bytes; state is kept for keys up to %d", b->key[i].len, FL_KEY_MAX);
	return NULL;
}

static void *h_state_at(struct fl_store *s, struct fl_batch *b, uint32_t i, uint32_t size, uint32_t *len)
{
	struct fl_slot *slot = slot_of(s);
	FL_ASSERT(i < b->n);
	struct fl_str key = b->key[i];
	if (__builtin_expect(!key.p || key.len > FL_KEY_MAX || !slot->store, 0))
		return keyless(slot, b, i);
	/* The batch says which keys come next: what they need is fetched while this event is worked on. */
	uint64_t hash = hash_of(b, i);
	if (i + 32 < b->n)
		fl_store_ahead(slot->store, b->hash[i + 16], b->hash[i + 32]);
	return fl_store_at(slot->store, key, hash, size, len);
}

static void h_state_changed(struct fl_store *s, void *memory, uint32_t len)
{
	fl_store_changed(slot_of(s)->store, memory, len);
}

static const void *h_state_get(struct fl_store *s, struct fl_str key, uint32_t *len)
{
	struct fl_slot *slot = slot_of(s);
	if (!slot->store || !key.p || key.len > FL_KEY_MAX)
		return NULL;
	return fl_store_get(slot->store, key, fl_key_hash(key), len);
}

static int check_key(const struct fl_slot *slot, struct fl_str key, char *err)
{
	if (!slot->store)
		return fl_err(err, "state is there from the first process() or read() on, not in open()");
	if (!key.p || key.len > FL_KEY_MAX)
		return fl_err(err, "a state key has up to %d bytes, and this one has %u", FL_KEY_MAX, key.len);
	return 0;
}

static int h_state_put(struct fl_store *s, struct fl_str key, const void *value, uint32_t len, char *err)
{
	struct fl_slot *slot = slot_of(s);
	if (check_key(slot, key, err) != 0)
		return -1;
	fl_store_put(slot->store, key, fl_key_hash(key), value, len);
	return 0;
}

static int h_state_del(struct fl_store *s, struct fl_str key, char *err)
{
	struct fl_slot *slot = slot_of(s);
	if (check_key(slot, key, err) != 0)
		return -1;
	fl_store_del(slot->store, key, fl_key_hash(key));
	return 0;
}

/* ---- counters -------------------------------------------------------------------------------------------------- */

static struct fl_meter *h_meter(struct fl_ctx *ctx, const char *name, const char *help, const char *label)
{
	FL_ASSERT(ctx->magic == CTX_MAGIC);
	return ctx->meter = fl_meter_new(ctx->meter, name, help, label, ctx->labels);
}

static void h_count(struct fl_meter *m, struct fl_str value, uint64_t n)
{
	fl_meter_count(m, value.p ? value : fl_str(""), 0, n);
}

static void h_count_key(struct fl_meter *m, struct fl_batch *b, uint32_t i, uint64_t n)
{
	FL_ASSERT(i < b->n);
	if (i + 8 < b->n)
		fl_meter_ahead(m, b->hash[i + 8]);
	if (b->key[i].p)
		fl_meter_count(m, b->key[i], hash_of(b, i), n);
	else
		fl_meter_count(m, fl_str(""), 0, n);
}

static const char *h_data_dir(struct fl_ctx *ctx)
{
	FL_ASSERT(ctx->magic == CTX_MAGIC);
	return ctx->data_dir;
}

const struct fl_host fl_host = {
	.abi = FL_ABI,
	.size = sizeof(struct fl_host),
	.log = h_log,
	.drop = h_drop,
	.reject = h_reject,
	.late = h_late,
	.set_number = h_set_number,
	.set_int = h_set_int,
	.set_string = h_set_string,
	.set_json = h_set_json,
	.remove = h_remove,
	.field = h_field,
	.header = h_header,
	.emit = h_emit,
	.emit_to = h_emit_to,
	.store = h_store,
	.state_at = h_state_at,
	.state_changed = h_state_changed,
	.state_get = h_state_get,
	.state_put = h_state_put,
	.state_del = h_state_del,
	.meter = h_meter,
	.count = h_count,
	.data_dir = h_data_dir,
	.record = h_record,
	.each_field = h_each_field,
	.count_key = h_count_key,
};

/* ---- the ctx --------------------------------------------------------------------------------------------------- */

struct fl_ctx *fl_ctx_new(const struct fl_instance_conf *conf)
{
	struct fl_ctx *ctx = fl_alloc(sizeof *ctx);
	ctx->magic = CTX_MAGIC;
	ctx->who = fl_strdup(conf->who);
	ctx->stage = fl_strdup(conf->stage);
	ctx->labels = fl_strdup(conf->labels ? conf->labels : "");
	ctx->prefix = fl_strdup(conf->prefix ? conf->prefix : "");
	ctx->data_dir = fl_strdup(conf->data_dir ? conf->data_dir : ".");
	ctx->fields = conf->fields;
	ctx->stores = conf->stores;
	return ctx;
}

void fl_ctx_free(struct fl_ctx *ctx)
{
	while (ctx->slot) {
		struct fl_slot *slot = ctx->slot;
		ctx->slot = slot->next;
		free(slot->name);
		slot->magic = 0;
		free(slot);
	}
	fl_meter_settle(ctx->meter);
	fl_meter_free(ctx->meter);
	fl_arena_free(&ctx->arena);
	fl_arena_free(&ctx->texts);
	fl_buf_free(&ctx->record);
	fl_buf_free(&ctx->scratch);
	free(ctx->conf);
	free(ctx->who);
	free(ctx->stage);
	free(ctx->labels);
	free(ctx->prefix);
	free(ctx->data_dir);
	ctx->magic = 0;
	free(ctx);
}
