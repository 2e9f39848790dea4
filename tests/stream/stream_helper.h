/* What the tests of streams share: a directory of their own, steps with numbered records, and reading all back. */
#ifndef FL_TEST_STREAM_HELPER_H
#define FL_TEST_STREAM_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stream/stream.h"

#define MAYBE __attribute__((unused))

static char test_dir[64];
static char test_err[FL_ERRLEN];

MAYBE static int dir_new(void **state)
{
	(void)state;
	strcpy(test_dir, "/tmp/fairlead-stream-XXXXXX");
	return mkdtemp(test_dir) ? 0 : -1;
}

MAYBE static int dir_gone(void **state)
{
	(void)state;
	char cmd[256];
	snprintf(cmd, sizeof cmd, "chmod -R u+w %s; rm -rf %s", test_dir, test_dir);
	return system(cmd);
}

MAYBE static struct fl_streams *streams_open(enum fl_streams_mode mode)
{
	struct fl_streams_conf conf = {.dir = test_dir, .app = "test", .mode = mode};
	struct fl_streams *s = fl_embedded_open(&conf, test_err);
	if (!s)
		print_error("%s\n", test_err);
	assert_non_null(s);
	return s;
}

MAYBE static uint32_t declare(struct fl_streams *s, const char *name, uint32_t partitions)
{
	int index = s->ops->declare(s, &(struct fl_stream_def){.name = name, .partitions = partitions}, test_err);
	if (index < 0)
		print_error("%s\n", test_err);
	assert_true(index >= 0);
	return (uint32_t)index;
}

MAYBE static struct fl_txn *txn_new(void) { return fl_alloc(sizeof(struct fl_txn)); }

/* n records whose values are the numbers from first on, padded to size bytes. */
MAYBE static void txn_append(struct fl_txn *t, uint32_t stream, uint32_t partition, int64_t first, uint32_t n,
                             uint32_t size)
{
	struct fl_buf b = {0};
	char *text = fl_alloc(size + 32);
	memset(text, '.', size + 31);
	for (uint32_t i = 0; i < n; i++) {
		int len = snprintf(text, 32, "%lld ", (long long)(first + i));
		text[len] = '.';
		struct fl_record r = {.time = (double)i, .key = fl_str("k"), .value = {text, size > 24 ? size : 24}};
		fl_segment_add(&b, &r);
	}
	free(text);
	t->append = fl_realloc(t->append, (t->appends + 1) * sizeof *t->append);
	t->append[t->appends] = (struct fl_append){stream, partition, fl_segment_take(&b, n)};
	t->bytes += t->append[t->appends++].segment->size;
}

MAYBE static void txn_position(struct fl_txn *t, const char *reader, uint32_t stream, uint32_t partition, int64_t next)
{
	t->position = fl_realloc(t->position, (t->positions + 1) * sizeof *t->position);
	t->position[t->positions++] = (struct fl_reader_position){reader, stream, partition, next};
}

MAYBE static void txn_wait(struct fl_txn *t)
{
	while (!atomic_load_explicit(&t->done, memory_order_acquire))
		usleep(100);
}

/* Commits and waits: the base of the first append. */
MAYBE static int64_t txn_commit(struct fl_streams *s, struct fl_txn *t)
{
	s->ops->commit(s, t);
	txn_wait(t);
	int64_t base = t->appends ? t->append[0].segment->base : -1;
	fl_txn_free(t);
	return base;
}

MAYBE static int64_t append(struct fl_streams *s, uint32_t stream, uint32_t partition, int64_t first, uint32_t n)
{
	struct fl_txn *t = txn_new();
	txn_append(t, stream, partition, first, n, 30);
	return txn_commit(s, t);
}

/* Reads everything that there is from an offset on; values[] by their order, offsets too. */
struct all {
	int64_t *value, *offset;
	size_t n;
};

MAYBE static struct all read_all(struct fl_streams *s, uint32_t stream, uint32_t partition, int64_t from)
{
	struct all a = {0};
	struct fl_reader *r = s->ops->reader(s, test_err);
	struct fl_segment *seg;
	int rc;
	while ((rc = s->ops->read(r, stream, partition, from, &seg, test_err)) == 1) {
		struct fl_record rec;
		size_t at = 0;
		int64_t offset = seg->base;
		assert_true(seg->base + seg->n > from);
		for (; fl_segment_next(seg, &at, &rec) == 1; offset++) {
			if (offset < from)
				continue;
			a.value = fl_realloc(a.value, (a.n + 1) * sizeof *a.value);
			a.offset = fl_realloc(a.offset, (a.n + 1) * sizeof *a.offset);
			a.value[a.n] = atoll(rec.value.p);
			a.offset[a.n++] = offset;
		}
		assert_int_equal(offset, seg->base + seg->n);
		from = offset;
		fl_segment_unref(seg);
	}
	if (rc < 0)
		print_error("%s\n", test_err);
	assert_int_equal(rc, 0);
	s->ops->reader_close(r);
	return a;
}

MAYBE static void all_free(struct all *a)
{
	free(a->value);
	free(a->offset);
}

/* Values first, first + 1, … at offsets from, from + 1, …: n of them, and no more. */
MAYBE static void expect(struct fl_streams *s, uint32_t stream, uint32_t partition, int64_t from, int64_t first,
                         size_t n)
{
	struct all a = read_all(s, stream, partition, from);
	assert_int_equal(a.n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(a.value[i], first + (int64_t)i);
		assert_int_equal(a.offset[i], from + (int64_t)i);
	}
	all_free(&a);
}

/* The end of a child: cmocka's asserts would run the parent's teardown. */
MAYBE static void child_ends_well(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
