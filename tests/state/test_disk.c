/* The checkpoint's file: when it is made, what it refuses, full disks, a map that must grow, a writer beside the
 * owner. */
#include "tmp.h"

#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "state/disk.h"

static const char *file_of(const char *dir)
{
	static char path[160];
	snprintf(path, sizeof path, "%s/data.mdb", tmp_path(dir));
	return path;
}

static void open_fails(const char *dir, const char *because)
{
	char err[FL_ERRLEN] = "";
	assert_null(fl_state_open(&(struct fl_state_conf){.dir = tmp_path(dir), .who = "test"}, err));
	if (!strstr(err, because) || !strstr(err, tmp_path(dir)))
		fail_msg("%s", err);
}

static void put_many(struct fl_store *s, int n, int size, char fill)
{
	char key[24], *value = malloc((size_t)size + 1);
	memset(value, fill, (size_t)size);
	value[size] = 0;
	for (int i = 0; i < n; i++) {
		snprintf(key, sizeof key, "key-%d", i);
		put(s, key, value);
	}
	free(value);
}

static void check_many(struct fl_store *s, int n, int size, char fill)
{
	char key[24];
	uint32_t len;
	for (int i = 0; i < n; i++) {
		snprintf(key, sizeof key, "key-%d", i);
		const char *p = fl_store_get(s, fl_str(key), fl_key_hash(fl_str(key)), &len);
		assert_non_null(p);
		assert_int_equal(len, size);
		assert_int_equal(p[0], fill);
		assert_int_equal(p[size - 1], fill);
	}
}

static void make(const char *dir, int n)
{
	struct fl_state *st = open_state(tmp_path(dir), 0);
	put_many(open_store(st, "a", 0), n, 100, 'a');
	checkpoint(st, 42);
	fl_state_close(st);
}

static void test_nothing_is_made_before_the_first_checkpoint(void **unused)
{
	(void)unused;
	struct fl_state *st = open_state(tmp_path("x/y/z"), 0);
	struct fl_store *s = open_store(st, "a", 0), *t = open_store(st, "b", 0);
	put(s, "k", "v");
	assert_int_equal(fl_store_position(s), 0);
	assert_int_equal(access(tmp_path("x"), F_OK), -1);
	collect(st);
	int64_t next[2] = {7, 9};
	char err[FL_ERRLEN];
	struct fl_snapshot *sn = fl_state_snapshot(st, next);
	assert_int_equal(fl_snapshot_write(sn, err), 0);
	assert_int_equal(fl_store_position(t), 0);
	fl_state_settled(st, sn, 1);
	assert_int_equal(fl_store_position(t), 9);
	assert_null(fl_state_snapshot(st, next)); /* nothing new */
	fl_state_close(st);
	st = open_state(tmp_path("x/y/z"), 0);
	assert_int_equal(fl_store_position(open_store(st, "b", 0)), 9);
	assert_int_equal(fl_store_position(open_store(st, "a", 0)), 7);
	assert_int_equal(fl_store_position(open_store(st, "new", 0)), 0);
	fl_state_close(st);
}

static void test_nothing_is_written_while_a_change_is_not_collected(void **unused)
{
	(void)unused;
	int64_t next = 1;
	struct fl_state *st = open_state(tmp_path("early"), 0);
	struct fl_store *s = open_store(st, "a", 0);
	put(s, "k", "v");
	assert_null(fl_state_snapshot(st, &next));
	checkpoint(st, 1);
	put(s, "k", "not in the log");
	assert_null(fl_state_snapshot(st, &next));
	fl_state_close(st);
	st = open_state(tmp_path("early"), 0);
	assert_string_equal(get(open_store(st, "a", 0), "k"), "v");
	fl_state_close(st);
}

static void set_format(const char *dir, uint32_t format)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi meta;
	MDB_val k = {6, (void *)"format"}, v = {sizeof format, &format};
	assert_int_equal(mdb_env_create(&env), 0);
	mdb_env_set_maxdbs(env, 4);
	assert_int_equal(mdb_env_open(env, tmp_path(dir), 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
	assert_int_equal(mdb_put(txn, meta, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void test_another_format_is_refused(void **unused)
{
	(void)unused;
	make("format", 3);
	set_format("format", 2);
	open_fails("format", "has format 2, this fairlead knows format 1: run a newer one");
	set_format("format", 0);
	open_fails("format", "has format 0, this fairlead knows format 1: run the older one");
	set_format("format", 1);
	fl_state_close(open_state(tmp_path("format"), 0));
}

static void test_a_damaged_file_is_refused(void **unused)
{
	(void)unused;
	make("damaged", 3);
	FILE *f = fopen(file_of("damaged"), "r+");
	for (int i = 0; i < 8192; i++)
		fputc(i * 7, f);
	fclose(f);
	open_fails("damaged", "is damaged");
	f = fopen(tmp_path("a-file"), "w");
	fclose(f);
	open_fails("a-file", "can't read");
}

/* A file that was cut off gives an error at the latest when its missing part is read, and never kills the process. */
static void test_a_cut_off_file_is_an_error(void **unused)
{
	(void)unused;
	char err[FL_ERRLEN] = "";
	make("cut", 2000);
	assert_int_equal(truncate(file_of("cut"), 3 * 4096), 0);
	struct fl_state *st = fl_state_open(&(struct fl_state_conf){.dir = tmp_path("cut"), .who = "test"}, err);
	if (st) {
		struct fl_store *s = open_store(st, "a", 0);
		for (int i = 0; i < 2000; i++) {
			char key[24];
			snprintf(key, sizeof key, "key-%d", i);
			get(s, key);
		}
		assert_non_null(fl_state_failed(st));
		snprintf(err, sizeof err, "%s", fl_state_failed(st));
		fl_state_close(st);
	}
	assert_non_null(strstr(err, "is damaged"));
	assert_non_null(strstr(err, tmp_path("cut")));
}

/* What a kill leaves of a file in the making: no checkpoint was ever in it. */
static void test_an_unfinished_file_is_none(void **unused)
{
	(void)unused;
	make("unfinished", 3);
	assert_int_equal(truncate(file_of("unfinished"), 4096), 0);
	struct fl_state *st = open_state(tmp_path("unfinished"), 0);
	struct fl_store *s = open_store(st, "a", 0);
	assert_int_equal(fl_store_position(s), 0);
	assert_null(get(s, "key-1"));
	put(s, "k", "v");
	checkpoint(st, 1);
	fl_state_close(st);
	st = open_state(tmp_path("unfinished"), 0);
	assert_string_equal(get(open_store(st, "a", 0), "k"), "v");
	fl_state_close(st);
}

static int write_once(struct fl_state *st, int64_t next, char *err)
{
	collect(st);
	struct fl_snapshot *sn = fl_state_snapshot(st, &next);
	assert_non_null(sn);
	int rc = fl_snapshot_write(sn, err);
	fl_state_settled(st, sn, rc == 0);
	return rc;
}

static void limit_files(rlim_t n)
{
	struct rlimit rl;
	getrlimit(RLIMIT_FSIZE, &rl);
	rl.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
}

/* In all: the first checkpoint, one that has no room while an old one is there, and one when there is room again. */
static void test_a_full_disk_is_tried_again(void **unused)
{
	(void)unused;
	char err[FL_ERRLEN] = "";
	signal(SIGXFSZ, SIG_IGN);
	struct fl_state *st = open_state(tmp_path("full"), 64 << 10);
	struct fl_store *s = open_store(st, "a", 0);
	for (rlim_t room = 0; room <= 64 << 10; room += 6000) {
		limit_files(room);
		put_many(s, 5000, 100, 'a');
		assert_int_equal(write_once(st, 5000, err), -1);
		assert_non_null(strstr(err, tmp_path("full")));
		check_many(s, 5000, 100, 'a');
		assert_null(fl_state_failed(st));
		assert_true(fl_state_due(st));
	}
	limit_files(RLIM_INFINITY);
	assert_int_equal(write_once(st, 5000, err), 0);
	struct stat sb;
	assert_int_equal(stat(file_of("full"), &sb), 0);
	put_many(s, 5000, 200, 'b');
	limit_files((rlim_t)sb.st_size);
	assert_int_equal(write_once(st, 10000, err), -1);
	assert_int_equal(fl_store_position(s), 5000);
	put_many(s, 10, 300, 'c');
	limit_files(RLIM_INFINITY);
	assert_int_equal(write_once(st, 10010, err), 0);
	fl_state_close(st);
	st = open_state(tmp_path("full"), 0);
	s = open_store(st, "a", 0);
	assert_int_equal(fl_store_position(s), 10010);
	check_many(s, 10, 300, 'c');
	assert_int_equal(get(s, "key-4999")[199], 'b');
	fl_state_close(st);
}

static int count_keys(void *arg, struct fl_str key, struct fl_str value)
{
	(void)key, (void)value;
	++*(int *)arg;
	return 0;
}

/* A large checkpoint is several LMDB transactions. The position moves with the last: what the others brought is only
 * newer. */
static void test_a_large_checkpoint_cut_short_keeps_its_position(void **unused)
{
	(void)unused;
	char err[FL_ERRLEN] = "";
	int n = 0;
	signal(SIGXFSZ, SIG_IGN);
	struct fl_state *st = open_state(tmp_path("large"), 0);
	struct fl_store *s = open_store(st, "a", 0);
	put_many(s, 3, 100, 'a');
	checkpoint(st, 3);
	put_many(s, 40000, 100, 'b');
	limit_files(4 << 20);
	assert_int_equal(write_once(st, 40003, err), -1);
	limit_files(RLIM_INFINITY);
	fl_state_close(st);
	st = open_state(tmp_path("large"), 0);
	s = open_store(st, "a", 0);
	assert_int_equal(fl_store_position(s), 3);
	assert_int_equal(fl_store_range(s, (struct fl_str){NULL, 0}, (struct fl_str){NULL, 0}, count_keys, &n, err), 0);
	assert_in_range(n, 1000, 39999);
	put_many(s, 40000, 100, 'b');
	checkpoint(st, 40003);
	fl_state_close(st);
	st = open_state(tmp_path("large"), 0);
	s = open_store(st, "a", 0);
	assert_int_equal(fl_store_position(s), 40003);
	check_many(s, 40000, 100, 'b');
	fl_state_close(st);
}

static void test_a_full_map_grows(void **unused)
{
	(void)unused;
	char err[FL_ERRLEN] = "";
	size_t was = fl_disk_map;
	fl_disk_map = 128 << 10;
	struct fl_state *st = open_state(tmp_path("map"), 64 << 10);
	struct fl_store *s = open_store(st, "a", 0);
	int failed = 0;
	for (int n = 100; n <= 6400; n *= 2) {
		put_many(s, n, 300, (char)('a' + n % 23));
		while (write_once(st, n, err)) {
			assert_in_range(++failed, 1, 20);
			assert_non_null(strstr(err, "MAP_FULL"));
		}
		check_many(s, n, 300, (char)('a' + n % 23));
	}
	assert_in_range(failed, 2, 20);
	fl_state_close(st);
	fl_disk_map = 64 << 10; /* smaller than what is there */
	st = open_state(tmp_path("map"), 0);
	check_many(open_store(st, "a", 0), 6400, 300, 'a' + 6400 % 23);
	fl_state_close(st);
	fl_disk_map = was;
}

struct job {
	pthread_mutex_t lock;
	struct fl_snapshot *sn;
	int done, stop, written;
};

static void *checkpointer(void *arg)
{
	struct job *j = arg;
	char err[FL_ERRLEN];
	for (int stop = 0; !stop; usleep(100)) {
		pthread_mutex_lock(&j->lock);
		struct fl_snapshot *sn = j->sn;
		stop = j->stop;
		pthread_mutex_unlock(&j->lock);
		if (!sn)
			continue;
		int ok = fl_snapshot_write(sn, err) == 0;
		pthread_mutex_lock(&j->lock);
		j->sn = NULL;
		j->done = ok ? 1 : -1;
		pthread_mutex_unlock(&j->lock);
	}
	return NULL;
}

/* Hands a snapshot over when the last one is back. */
static struct fl_snapshot *hand_over(struct job *j, struct fl_state *st, struct fl_snapshot *under_way, int64_t next)
{
	pthread_mutex_lock(&j->lock);
	int done = j->done;
	j->done = 0;
	pthread_mutex_unlock(&j->lock);
	if (done) {
		assert_int_equal(done, 1);
		fl_state_settled(st, under_way, 1);
		j->written++;
		under_way = NULL;
	}
	if (under_way)
		return under_way;
	collect(st);
	struct fl_snapshot *sn = fl_state_snapshot(st, &next);
	pthread_mutex_lock(&j->lock);
	j->sn = sn;
	pthread_mutex_unlock(&j->lock);
	return sn;
}

static void test_the_owner_works_while_a_checkpoint_is_written(void **unused)
{
	(void)unused;
	enum { KEYS = 500 };
	struct job j = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct fl_state *st = open_state(tmp_path("beside"), 64 << 10);
	struct fl_store *s = open_store(st, "a", 0);
	struct fl_snapshot *under_way = NULL;
	pthread_t thread;
	uint32_t len;
	unsigned count[KEYS] = {0}, seed = 1;
	assert_int_equal(pthread_create(&thread, NULL, checkpointer, &j), 0);
	for (int i = 0; i < 2000000 && j.written < 10; i++) {
		unsigned k = (seed = seed * 1664525u + 1013904223u) / 7 % KEYS;
		struct fl_str key = {(char *)&k, sizeof k};
		unsigned *v = fl_store_at(s, key, fl_key_hash(key), 200, &len);
		assert_int_equal(*v, count[k]);
		*v = ++count[k];
		fl_store_changed(s, v, 200);
		if (i % 50 == 0)
			under_way = hand_over(&j, st, under_way, i);
		if (i % 1000 == 0)
			usleep(1000);
	}
	while (under_way)
		under_way = hand_over(&j, st, under_way, 1);
	pthread_mutex_lock(&j.lock);
	j.stop = 1;
	pthread_mutex_unlock(&j.lock);
	pthread_join(thread, NULL);
	assert_true(j.written >= 10);
	fl_state_close(st);
	st = open_state(tmp_path("beside"), 0);
	s = open_store(st, "a", 0);
	for (unsigned k = 0; k < KEYS; k++) {
		struct fl_str key = {(char *)&k, sizeof k};
		const unsigned *v = fl_store_get(s, key, fl_key_hash(key), &len);
		assert_int_equal(v ? *v : 0, count[k]);
	}
	fl_state_close(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_made_before_the_first_checkpoint),
		cmocka_unit_test(test_nothing_is_written_while_a_change_is_not_collected),
		cmocka_unit_test(test_another_format_is_refused),
		cmocka_unit_test(test_a_damaged_file_is_refused),
		cmocka_unit_test(test_a_cut_off_file_is_an_error),
		cmocka_unit_test(test_an_unfinished_file_is_none),
		cmocka_unit_test(test_a_full_disk_is_tried_again),
		cmocka_unit_test(test_a_large_checkpoint_cut_short_keeps_its_position),
		cmocka_unit_test(test_a_full_map_grows),
		cmocka_unit_test(test_the_owner_works_while_a_checkpoint_is_written),
	};
	return cmocka_run_group_tests(tests, tmp_make, tmp_remove);
}
