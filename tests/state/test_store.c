/* Stores: keys and values at their limits, memory that stays, time to live, ranges, the overlay's limit. */
#include "tmp.h"

#include <dirent.h>
#include <malloc.h>

static uint64_t hash(const char *key) { return fl_key_hash(fl_str(key)); }

static void *at(struct fl_store *s, const char *key, uint32_t size, uint32_t *len)
{
	return fl_store_at(s, fl_str(key), hash(key), size, len);
}

static int count_keys(void *arg, struct fl_str key, struct fl_str value)
{
	(void)key, (void)value;
	++*(int *)arg;
	return 0;
}

static void test_keys_of_any_bytes_up_to_the_limit(void **unused)
{
	(void)unused;
	struct fl_state *st = open_state(tmp_path("keys"), 0);
	struct fl_store *s = open_store(st, "a", 0);
	char longest[FL_KEY_MAX + 1];
	memset(longest, 'x', sizeof longest);
	struct fl_str most = {longest, FL_KEY_MAX}, more = {longest, FL_KEY_MAX + 1}, empty = {"", 0};
	uint32_t len;
	fl_store_put(s, most, fl_key_hash(most), "most", 4);
	fl_store_put(s, empty, fl_key_hash(empty), "empty", 5);
	assert_null(fl_store_at(s, more, fl_key_hash(more), 8, &len));
	assert_null(fl_store_get(s, more, fl_key_hash(more), &len));
	checkpoint(st, 2);
	fl_state_close(st);
	st = open_state(tmp_path("keys"), 0);
	s = open_store(st, "a", 0);
	assert_memory_equal(fl_store_get(s, most, fl_key_hash(most), &len), "most", 4);
	assert_memory_equal(fl_store_get(s, empty, fl_key_hash(empty), &len), "empty", 5);
	assert_null(get(s, "x"));
	char err[FL_ERRLEN];
	int n = 0;
	assert_int_equal(fl_store_range(s, empty, (struct fl_str){NULL, 0}, count_keys, &n, err), 0);
	assert_int_equal(n, 2);
	n = 0;
	assert_int_equal(fl_store_range(s, more, (struct fl_str){NULL, 0}, count_keys, &n, err), 0);
	assert_int_equal(n, 0); /* all keys stand before one that none can be */
	fl_state_close(st);
}

static void test_memory_stays_until_it_must_grow(void **unused)
{
	(void)unused;
	struct fl_state *st = open_state(NULL, 0);
	struct fl_store *s = open_store(st, "a", 0);
	uint32_t len;
	char *p = at(s, "k", 16, &len);
	assert_int_equal(len, 0);
	assert_int_equal((uintptr_t)p % 16, 0);
	memcpy(p, "0123456789abcdef", 16);
	fl_store_changed(s, p, 16);
	for (int i = 0; i < 1000; i++) {
		char other[16];
		snprintf(other, sizeof other, "other%d", i);
		put(s, other, "v");
	}
	assert_ptr_equal(at(s, "k", 16, &len), p);
	put(s, "k", "0123");
	assert_ptr_equal(at(s, "k", 4, &len), p);
	assert_int_equal(len, 4);
	p = at(s, "k", 4000, &len);
	assert_int_equal(len, 4);
	assert_memory_equal(p, "0123\0\0\0\0", 8);
	assert_int_equal(p[3999], 0);
	fl_store_changed(s, p, 4000);
	fl_state_close(st);
}

static void test_what_is_not_changed_is_not_there(void **unused)
{
	(void)unused;
	struct fl_state *st = open_state(NULL, 0);
	struct fl_store *s = open_store(st, "a", 0);
	uint32_t len;
	at(s, "k", 100, &len);
	assert_null(get(s, "k"));
	assert_int_equal(collect(st), 0);
	fl_store_changed(s, at(s, "k", 0, &len), 0);
	assert_string_equal(get(s, "k"), "");
	assert_int_equal(collect(st), 1);
	del(s, "nobody");
	assert_int_equal(collect(st), 0);
	fl_state_close(st);
}

static void add_key(void *arg, struct fl_store *s, struct fl_str key, struct fl_str value)
{
	(void)s;
	fl_buf_printf(arg, "%.*s%s ", (int)key.len, key.p, value.p ? "" : "!");
}

static void test_collected_once_in_the_order_of_first_change(void **unused)
{
	(void)unused;
	struct fl_state *st = open_state(NULL, 0);
	struct fl_store *s = open_store(st, "a", 0), *t = open_store(st, "b", 0);
	struct fl_buf got = {0};
	put(s, "x", "1");
	put(t, "y", "1");
	put(s, "z", "1");
	put(s, "x", "2");
	del(t, "y");
	fl_state_mark(st);
	put(s, "undone", "1");
	del(s, "z");
	fl_state_rollback(st);
	put(t, "last", "a value that is longer than the room of the first");
	fl_state_collect(st, add_key, &got);
	fl_buf_byte(&got, 0);
	assert_string_equal(got.p, "x y! z last ");
	fl_buf_free(&got);
	fl_state_close(st);
}

static void test_a_rollback_leaves_nothing(void **unused)
{
	(void)unused;
	struct fl_state *st = open_state(NULL, 0);
	struct fl_store *s = open_store(st, "a", 0);
	put(s, "k", "first");
	collect(st);
	size_t bytes = fl_state_bytes(st);
	for (int i = 0; i < 1000; i++) {
		char key[16];
		snprintf(key, sizeof key, "new%d", i);
		fl_state_mark(st);
		put(s, key, "x");
		put(s, key, "longer than sixteen bytes, so that it moves");
		put(s, "k", "second");
		del(s, "k");
		fl_state_rollback(st);
		assert_null(get(s, key));
		assert_string_equal(get(s, "k"), "first");
	}
	assert_int_equal(collect(st), 0);
	assert_true(fl_state_bytes(st) <= bytes);
	fl_state_close(st);
}

static void test_expired_values_are_never_seen(void **unused)
{
	(void)unused;
	struct fl_state *st = open_state(tmp_path("ttl"), 0);
	struct fl_store *s = open_store(st, "a", 10);
	uint32_t len;
	fl_state_time(st, 100);
	put(s, "old", "1");
	put(s, "again", "1");
	checkpoint(st, 2);
	fl_state_time(st, 105);
	put(s, "again", "2");
	fl_state_time(st, 109.9);
	assert_string_equal(get(s, "old"), "1");
	fl_state_time(st, 110);
	fl_state_time(st, 50); /* never back */
	assert_null(get(s, "old"));
	assert_string_equal(get(s, "again"), "2");
	char *p = at(s, "old", 8, &len);
	assert_int_equal(len, 0);
	assert_memory_equal(p, "\0\0\0\0\0\0\0", 8);
	fl_state_close(st);
}

/* More keys than the overlay keeps: most of the expired ones are on the disk alone. */
static void test_expired_keys_are_deleted_in_the_end(void **unused)
{
	(void)unused;
	struct fl_state *st = open_state(tmp_path("sweep"), 32 << 10);
	struct fl_store *s = open_store(st, "a", 10);
	char key[16];
	fl_state_time(st, 100);
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof key, "k%d", i);
		put(s, key, "v");
	}
	checkpoint(st, 2000);
	assert_true(fl_state_bytes(st) <= 32 << 10);
	fl_state_time(st, 108);
	put(s, "young", "v");
	collect(st);
	fl_state_time(st, 110);
	int deleted = 0, most = 0;
	for (int i = 0; i < 100; i++) {
		int n = collect(st);
		deleted += n;
		most = n > most ? n : most;
	}
	assert_int_equal(deleted, 2000);
	assert_in_range(most, 1, 500); /* a few at a time */
	checkpoint(st, 4001);
	fl_state_close(st);
	st = open_state(tmp_path("sweep"), 0);
	s = open_store(st, "a", 0);
	assert_null(get(s, "k7"));
	assert_string_equal(get(s, "young"), "v");
	fl_state_close(st);
}

static void test_a_ttl_can_come_and_go(void **unused)
{
	(void)unused;
	struct fl_state *st = open_state(tmp_path("ttls"), 0);
	struct fl_store *s = open_store(st, "a", 0);
	fl_state_time(st, 100);
	put(s, "k", "v");
	fl_state_time(st, 200);
	checkpoint(st, 1);
	fl_state_close(st);
	st = open_state(tmp_path("ttls"), 0);
	s = open_store(st, "a", 50);
	char err[FL_ERRLEN], old[16] = "";
	struct fl_str value = {old, sizeof old};
	assert_int_equal(fl_store_apply(s, fl_str("k"), value, 0, err), 0); /* older than the checkpoint */
	assert_null(get(s, "k")); /* with the time of its change */
	assert_ptr_equal(open_store(st, "a", 101), s);
	assert_string_equal(get(s, "k"), "v");
	fl_state_close(st);
}

static void key_at(char *to, int i) { snprintf(to, 24, "key-%06d", i); }

static int count_in_order(void *arg, struct fl_str key, struct fl_str value)
{
	char want[24];
	int *n = arg;
	key_at(want, (*n)++);
	assert_int_equal(key.len, strlen(want));
	assert_memory_equal(key.p, want, key.len);
	assert_int_equal(value.len, 100);
	return 0;
}

static void test_a_hundred_thousand_keys(void **unused)
{
	(void)unused;
	enum { N = 100000 };
	char key[24], value[101], err[FL_ERRLEN];
	struct fl_state *st = open_state(tmp_path("many"), 0);
	struct fl_store *s = open_store(st, "a", 0);
	for (int i = 0; i < N; i++) {
		key_at(key, (int)((long)i * 7919 % N));
		memset(value, 'a' + (int)((long)i * 7919 % N) % 26, 100);
		value[100] = 0;
		put(s, key, value);
	}
	assert_true(fl_state_bytes(st) < (size_t)N * 256);
	for (int i = 0; i < N; i++) {
		key_at(key, i);
		fl_store_ahead(s, hash(key) + (uint64_t)i % 2, (uint64_t)i * i); /* also for keys that are not there */
		assert_int_equal(get(s, key)[99], 'a' + i % 26);
	}
	checkpoint(st, N);
	fl_state_close(st);
	st = open_state(tmp_path("many"), 0);
	s = open_store(st, "a", 0);
	assert_int_equal(fl_store_position(s), N);
	int n = 0;
	assert_int_equal(fl_store_range(s, (struct fl_str){NULL, 0}, (struct fl_str){NULL, 0}, count_in_order, &n, err), 0);
	assert_int_equal(n, N);
	assert_int_equal(fl_state_bytes(st), 0); /* a range takes nothing into memory */
	for (int i = 0; i < N; i += 97) {
		key_at(key, i);
		assert_int_equal(get(s, key)[99], 'a' + i % 26);
	}
	fl_state_close(st);
}

static int see_nested(void *arg, struct fl_str key, struct fl_str value)
{
	(void)key, (void)value;
	char err[FL_ERRLEN];
	struct fl_store *s = arg;
	int n = 0;
	assert_non_null(get(s, "key-000002")); /* taken in from the disk: the overlay changes its shape */
	assert_int_equal(fl_store_range(s, fl_str("key-000000"), fl_str("key-000005"), count_in_order, &n, err), 0);
	assert_int_equal(n, 5);
	return 0;
}

static void test_a_range_within_a_range(void **unused)
{
	(void)unused;
	char key[24], value[101], err[FL_ERRLEN];
	memset(value, 'v', 100);
	value[100] = 0;
	struct fl_state *st = open_state(tmp_path("nested"), 1);
	struct fl_store *s = open_store(st, "a", 0);
	for (int i = 0; i < 10; i++) {
		key_at(key, i);
		put(s, key, value);
		if (i == 4)
			checkpoint(st, i); /* over its limit: what is written leaves memory */
	}
	assert_int_equal(fl_store_range(s, fl_str("key"), (struct fl_str){NULL, 0}, see_nested, s, err), 0);
	fl_state_close(st);
}

static int files_in(const char *dir)
{
	int n = 0;
	DIR *d = opendir(dir);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* Without a directory: over the limit a temporary one, whose files have no name as long as they are open. */
static void test_memory_alone_goes_to_a_temporary_file(void **unused)
{
	(void)unused;
	char key[24], value[101], err[FL_ERRLEN];
	setenv("TMPDIR", tmp, 1);
	int before = files_in(tmp);
	struct fl_state *st = open_state(NULL, 256 << 10);
	struct fl_store *s = open_store(st, "a", 0);
	int spilled = 0;
	for (int i = 0; i < 5000; i++) {
		key_at(key, i);
		memset(value, 'a' + i % 26, 100);
		value[100] = 0;
		put(s, key, value);
		struct fl_snapshot *sn = fl_state_snapshot(st, NULL);
		assert_int_equal(sn != NULL, fl_state_bytes(st) > 256 << 10);
		if (!sn)
			continue;
		assert_int_equal(fl_snapshot_write(sn, err), 0);
		fl_state_settled(st, sn, 1);
		assert_false(fl_state_due(st));
		spilled++;
	}
	assert_in_range(spilled, 2, 20);
	assert_int_equal(files_in(tmp), before);
	for (int i = 0; i < 5000; i++) {
		key_at(key, i);
		assert_int_equal(get(s, key)[99], 'a' + i % 26);
	}
	fl_state_close(st);
	unsetenv("TMPDIR");
}

static void test_reading_alone_stays_below_the_limit(void **unused)
{
	(void)unused;
	char key[24], value[101];
	int64_t next = 5000;
	memset(value, 'v', 100);
	value[100] = 0;
	struct fl_state *st = open_state(tmp_path("reads"), 64 << 10);
	struct fl_store *s = open_store(st, "a", 0);
	for (int i = 0; i < 5000; i++) {
		key_at(key, i);
		put(s, key, value);
	}
	checkpoint(st, next);
	for (int i = 0; i < 5000; i++) {
		key_at(key, i);
		assert_non_null(get(s, key));
		if (fl_state_due(st))
			assert_null(fl_state_snapshot(st, &next));
		assert_true(fl_state_bytes(st) <= 66 << 10);
	}
	fl_state_close(st);
}

static void test_a_warm_store_allocates_nothing(void **unused)
{
	(void)unused;
	char key[24];
	uint32_t len;
	struct fl_state *st = open_state(NULL, 0);
	struct fl_store *s = open_store(st, "a", 0);
	size_t used = 0;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++) {
			key_at(key, i);
			fl_state_mark(st);
			fl_store_changed(s, at(s, key, 200, &len), 200);
			put(s, key, "short");
		}
		collect(st);
		if (round == 1)
			used = mallinfo2().uordblks;
	}
	assert_int_equal(mallinfo2().uordblks, used);
	fl_state_close(st);
}

static void test_names_are_checked(void **unused)
{
	(void)unused;
	char err[FL_ERRLEN], name[300];
	struct fl_state *st = open_state(NULL, 0);
	assert_null(fl_state_store(st, "a/b", 0, err));
	assert_non_null(strstr(err, "a/b"));
	assert_null(fl_state_store(st, "", 0, err));
	memset(name, 'a', 299);
	name[299] = 0;
	assert_null(fl_state_store(st, name, 0, err));
	assert_non_null(strstr(err, "299 bytes"));
	for (int i = 0; i < 126; i++) {
		snprintf(name, sizeof name, "enrich.store-%d", i);
		assert_string_equal(fl_store_name(open_store(st, name, 0)), name);
	}
	assert_null(fl_state_store(st, "one-more", 0, err));
	assert_non_null(strstr(err, "one-more"));
	assert_int_equal(fl_state_stores(st, NULL, 0), 126);
	fl_state_close(st);
}

static int restore_or_fail(void *arg, struct fl_store *s, char *err)
{
	double stored[2] = {7, 0};
	memcpy(&stored[1], "restored", 8);
	assert_int_equal(fl_store_apply(s, fl_str("k"), (struct fl_str){(char *)stored, 16}, 0, err), 0);
	return *(int *)arg ? fl_err(err, "the changelog can't be read") : 0;
}

static void test_a_store_is_restored_before_it_is_seen(void **unused)
{
	(void)unused;
	char err[FL_ERRLEN];
	int fails = 1;
	struct fl_state_conf conf = {.who = "test", .restore = restore_or_fail, .arg = &fails};
	struct fl_state *st = fl_state_open(&conf, err);
	assert_null(fl_state_store(st, "a", 0, err));
	assert_string_equal(err, "the changelog can't be read");
	assert_int_equal(fl_state_stores(st, NULL, 0), 0);
	fails = 0;
	struct fl_store *s = open_store(st, "a", 0);
	assert_string_equal(get(s, "k"), "restored");
	assert_int_equal(collect(st), 0); /* the changelog has it already */
	assert_int_equal(fl_store_apply(s, fl_str("k"), (struct fl_str){"abc", 3}, 9, err), -1);
	assert_non_null(strstr(err, "offset 9"));
	assert_int_equal(fl_store_apply(s, (struct fl_str){NULL, 0}, (struct fl_str){NULL, 0}, 9, err), -1);
	fl_state_close(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_of_any_bytes_up_to_the_limit),
		cmocka_unit_test(test_memory_stays_until_it_must_grow),
		cmocka_unit_test(test_what_is_not_changed_is_not_there),
		cmocka_unit_test(test_collected_once_in_the_order_of_first_change),
		cmocka_unit_test(test_a_rollback_leaves_nothing),
		cmocka_unit_test(test_expired_values_are_never_seen),
		cmocka_unit_test(test_expired_keys_are_deleted_in_the_end),
		cmocka_unit_test(test_a_ttl_can_come_and_go),
		cmocka_unit_test(test_a_hundred_thousand_keys),
		cmocka_unit_test(test_a_range_within_a_range),
		cmocka_unit_test(test_memory_alone_goes_to_a_temporary_file),
		cmocka_unit_test(test_reading_alone_stays_below_the_limit),
		cmocka_unit_test(test_a_warm_store_allocates_nothing),
		cmocka_unit_test(test_names_are_checked),
		cmocka_unit_test(test_a_store_is_restored_before_it_is_seen),
	};
	return cmocka_run_group_tests(tests, tmp_make, tmp_remove);
}
