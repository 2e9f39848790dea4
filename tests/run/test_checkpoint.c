/* The order of things in run/checkpoint.c: the log is synced, the snapshot written, only then may old changes go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/log.h"
#include "run/checkpoint.h"

/* Streams that only note what is asked of them. */
static struct fl_streams fake;
static _Atomic int syncs, trims, wakes, sync_fails;
static _Atomic int64_t trimmed;

static int f_sync(struct fl_streams *s, char *err)
{
	(void)s;
	syncs++;
	return sync_fails ? fl_err(err, "the disk is gone") : 0;
}

static void f_trim(struct fl_streams *s, uint32_t stream, uint32_t partition, int64_t next)
{
	(void)s;
	assert_int_equal(stream, 4);
	assert_int_equal(partition, 2);
	assert_true(syncs > 0);
	trimmed = next;
	trims++;
}

static void f_wake(struct fl_reader *r)
{
	(void)r;
	wakes++;
}

static const struct fl_streams_ops OPS = {.sync = f_sync, .trim = f_trim, .wake = f_wake};

struct place {
	char dir[64], state[96];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	strcpy(p->dir, "/tmp/fl-checkpoint-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->state, sizeof p->state, "%s/s", p->dir);
	fake.ops = &OPS;
	syncs = trims = wakes = sync_fails = 0;
	trimmed = -1;
	fl_log_setup(0, FL_ERROR);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	char cmd[96];
	snprintf(cmd, sizeof cmd, "rm -rf %s", p->dir);
	assert_int_equal(system(cmd), 0);
	free(p);
	return 0;
}

static struct fl_state *open_state(struct place *p, struct fl_store **s)
{
	char err[FL_ERRLEN];
	struct fl_state *st = fl_state_open(&(struct fl_state_conf){.dir = p->state, .who = "t"}, err);
	assert_non_null(st);
	*s = fl_state_store(st, "x", 0, err);
	return st;
}

static void ignore(void *arg, struct fl_store *s, struct fl_str key, struct fl_str value)
{
	(void)arg, (void)s, (void)key, (void)value;
}

static struct fl_pending *pending(struct fl_state *st, struct fl_store *s, const char *value, int64_t next)
{
	struct fl_str key = fl_str("k");
	fl_store_put(s, key, fl_key_hash(key), value, (uint32_t)strlen(value));
	fl_state_collect(st, ignore, NULL);
	struct fl_pending *p = fl_alloc(sizeof *p);
	p->snapshot = fl_state_snapshot(st, &next);
	assert_non_null(p->snapshot);
	p->trim = fl_alloc(sizeof *p->trim);
	p->trim[0] = (struct fl_trim){4, next};
	p->trims = 1;
	p->partition = 2;
	return p;
}

static void settle(struct fl_state *st, struct fl_pending *p, int written)
{
	while (!atomic_load(&p->done))
		usleep(1000);
	assert_int_equal(atomic_load(&p->done), written ? 1 : -1);
	fl_state_settled(st, p->snapshot, written);
	free(p->trim);
	free(p);
}

static void expect_stored(struct place *p, const char *value, int64_t next)
{
	struct fl_store *s;
	struct fl_state *st = open_state(p, &s);
	uint32_t len = 0;
	struct fl_str key = fl_str("k");
	const void *got = fl_store_get(s, key, fl_key_hash(key), &len);
	assert_int_equal(got != NULL, value != NULL);
	if (value) {
		assert_int_equal(len, strlen(value));
		assert_memory_equal(got, value, len);
	}
	assert_int_equal(fl_store_position(s), next);
	fl_state_close(st);
}

static void writes_then_trims(void **state)
{
	struct place *pl = *state;
	struct fl_store *s;
	struct fl_state *st = open_state(pl, &s);
	struct fl_checkpointer *cp = fl_checkpointer_start(&fake, "t");
	struct fl_pending *p = pending(st, s, "one", 17);
	fl_checkpointer_add(cp, p);
	settle(st, p, 1);
	fl_checkpointer_leave(cp); /* from here on its wake has been */
	assert_int_equal(wakes, 1);
	assert_int_equal(syncs, 1);
	assert_int_equal(trims, 1);
	assert_int_equal(trimmed, 17);
	fl_checkpointer_stop(cp);
	fl_state_close(st);
	expect_stored(pl, "one", 17);
}

/* What is not synced may be gone after a power cut: a checkpoint of it would be ahead of the log. */
static void a_log_that_cannot_be_synced_is_not_overtaken(void **state)
{
	struct place *pl = *state;
	struct fl_store *s;
	struct fl_state *st = open_state(pl, &s);
	struct fl_checkpointer *cp = fl_checkpointer_start(&fake, "t");
	sync_fails = 1;
	struct fl_pending *p = pending(st, s, "one", 17);
	fl_checkpointer_add(cp, p);
	settle(st, p, 0);
	assert_int_equal(trims, 0);
	expect_stored(pl, NULL, 0);
	sync_fails = 0;
	p = pending(st, s, "two", 18);
	fl_checkpointer_add(cp, p);
	settle(st, p, 1);
	fl_checkpointer_stop(cp);
	fl_state_close(st);
	expect_stored(pl, "two", 18);
}

static void stopping_writes_what_was_handed_in(void **state)
{
	struct place *pl = *state;
	struct fl_store *s;
	struct fl_state *st = open_state(pl, &s);
	struct fl_checkpointer *cp = fl_checkpointer_start(&fake, "t");
	struct fl_pending *p = pending(st, s, "one", 17);
	fl_checkpointer_add(cp, p);
	fl_checkpointer_stop(cp);
	settle(st, p, 1);
	fl_state_close(st);
	expect_stored(pl, "one", 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_then_trims, setup, teardown),
		cmocka_unit_test_setup_teardown(a_log_that_cannot_be_synced_is_not_overtaken, setup, teardown),
		cmocka_unit_test_setup_teardown(stopping_writes_what_was_handed_in, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
