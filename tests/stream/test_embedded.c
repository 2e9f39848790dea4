/* The embedded streams within one process: commits, readers, positions, reopening, retention, refusals. */
#include <pthread.h>
#include <sqlite3.h>

#include "stream_helper.h"

#define TEST(f) cmocka_unit_test_setup_teardown(f, dir_new, dir_gone)

static void reopen(struct fl_streams **s)
{
	(*s)->ops->close(*s);
	*s = streams_open(FL_STREAMS_DAEMON);
}

static void sql(const char *text)
{
	char file[128], *why = NULL;
	sqlite3 *db;
	snprintf(file, sizeof file, "%s/streams.db", test_dir);
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		print_error("%s\n", why);
	assert_null(why);
	sqlite3_close(db);
}

static void what_is_committed_is_read(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	uint32_t a = declare(s, "a", 2), b = declare(s, "b", 1);
	int64_t first, next;
	assert_int_equal(s->ops->partitions(s, a), 2);
	assert_int_equal(declare(s, "a", 2), a);
	assert_int_equal(s->ops->bounds(s, a, 1, &first, &next, test_err), 0);
	assert_int_equal(next, 0);
	assert_int_equal(append(s, a, 1, 0, 3), 0);
	assert_int_equal(append(s, a, 1, 3, 4), 3);
	assert_int_equal(append(s, b, 0, 100, 1), 0);
	expect(s, a, 0, 0, 0, 0);
	expect(s, a, 1, 0, 0, 7);
	expect(s, a, 1, 5, 5, 2);
	expect(s, a, 1, 7, 0, 0);
	expect(s, b, 0, 0, 100, 1);
	reopen(&s);
	b = declare(s, "b", 1), a = declare(s, "a", 2);
	expect(s, a, 1, 0, 0, 7);
	expect(s, a, 1, 4, 4, 3);
	assert_int_equal(append(s, a, 1, 7, 1), 7);
	expect(s, a, 1, 0, 0, 8);
	assert_int_equal(s->ops->bounds(s, a, 1, &first, &next, test_err), 0);
	assert_int_equal(first, 0);
	assert_int_equal(next, 8);
	s->ops->close(s);
}

static void positions_move_with_records(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	uint32_t a = declare(s, "a", 2);
	assert_int_equal(s->ops->position(s, "r", a, 0, test_err), -1);
	struct fl_txn *t = txn_new();
	txn_append(t, a, 1, 0, 2, 30);
	txn_position(t, "r", a, 0, 17);
	txn_position(t, "other", a, 0, 3);
	txn_commit(s, t);
	assert_int_equal(s->ops->position(s, "r", a, 0, test_err), 17);
	t = txn_new();
	txn_position(t, "r", a, 0, 18);
	txn_commit(s, t);
	reopen(&s);
	a = declare(s, "a", 2);
	assert_int_equal(s->ops->position(s, "r", a, 0, test_err), 18);
	assert_int_equal(s->ops->position(s, "r", a, 1, test_err), -1);
	assert_int_equal(s->ops->position(s, "other", a, 0, test_err), 3);
	s->ops->close(s);
}

static void many_steps_keep_their_order(void **state)
{
	(void)state;
	enum { N = 3000 };
	static struct fl_txn *t[N];
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	uint32_t a = declare(s, "a", 1);
	for (int i = 0; i < N; i++) {
		t[i] = txn_new();
		txn_append(t[i], a, 0, i * 5, 5, 30);
		s->ops->commit(s, t[i]);
	}
	for (int i = 0; i < N; i++) {
		txn_wait(t[i]);
		assert_int_equal(t[i]->append[0].segment->base, i * 5);
		fl_txn_free(t[i]);
	}
	expect(s, a, 0, 0, 0, N * 5);
	s->ops->close(s);
}

static void closing_commits_what_was_handed_in(void **state)
{
	(void)state;
	struct fl_txn *t[50];
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	uint32_t a = declare(s, "a", 1);
	for (int i = 0; i < 50; i++) {
		t[i] = txn_new();
		txn_append(t[i], a, 0, i, 1, 100000);
		s->ops->commit(s, t[i]);
	}
	s->ops->close(s);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(atomic_load(&t[i]->done), 1);
		fl_txn_free(t[i]);
	}
	s = streams_open(FL_STREAMS_DAEMON);
	expect(s, declare(s, "a", 1), 0, 0, 0, 50);
	s->ops->close(s);
}

/* A WAL of 1 MiB and a cache of nothing: checkpoints, holds and the file's readers all come into it. */
struct reading {
	struct fl_streams *s;
	uint32_t stream;
	int64_t until;
	int ok;
};

static void *read_along(void *arg)
{
	struct reading *g = arg;
	char err[FL_ERRLEN];
	struct fl_reader *r = g->s->ops->reader(g->s, err);
	int64_t next = 0;
	int rc = 0;
	g->ok = 1;
	while (next < g->until && rc >= 0 && g->ok) {
		struct fl_segment *seg;
		if ((rc = g->s->ops->read(r, g->stream, 0, next, &seg, err)) == 0)
			g->s->ops->wait(r, 1);
		if (rc <= 0)
			continue;
		struct fl_record rec;
		int64_t offset = seg->base;
		for (size_t at = 0; fl_segment_next(seg, &at, &rec) == 1; offset++)
			if (offset >= next && atoll(rec.value.p) != offset)
				g->ok = 0;
		next = offset;
		fl_segment_unref(seg);
	}
	if (rc < 0)
		fprintf(stderr, "%s\n", err), g->ok = 0;
	g->s->ops->reader_close(r);
	return NULL;
}

static void readers_keep_up(struct fl_streams *s)
{
	enum { STEPS = 400, EACH = 200 };
	uint32_t a = declare(s, "a", 1);
	pthread_t thread[3];
	struct reading g[3];
	for (int i = 0; i < 3; i++) {
		g[i] = (struct reading){s, a, STEPS * EACH, 0};
		pthread_create(&thread[i], NULL, read_along, &g[i]);
	}
	for (int i = 0; i < STEPS; i++) {
		struct fl_txn *t = txn_new();
		txn_append(t, a, 0, (int64_t)i * EACH, EACH, 100);
		txn_position(t, "w", a, 0, i);
		if (i % 8)
			txn_commit(s, t);
		else
			txn_commit(s, t), usleep(500);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(thread[i], NULL);
		assert_true(g[i].ok);
	}
}

static void several_readers_of_the_cache(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	readers_keep_up(s);
	s->ops->close(s);
}

static void several_readers_of_the_file(void **state)
{
	(void)state;
	struct fl_streams_conf conf = {.dir = test_dir, .app = "test", .cache = 1, .wal = 1 << 20};
	struct fl_streams *s = fl_embedded_open(&conf, test_err);
	assert_non_null(s);
	readers_keep_up(s);
	char wal[128];
	snprintf(wal, sizeof wal, "%s/streams.db-wal", test_dir);
	FILE *f = fopen(wal, "r");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	assert_true(ftell(f) < 8 << 20); /* 9 MB were written; each step may pass the limit by its own size */
	fclose(f);
	s->ops->close(s);
}

static void waiting_ends_by_commit_wake_and_time(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	uint32_t a = declare(s, "a", 1);
	struct fl_reader *r = s->ops->reader(s, test_err);
	s->ops->wait(r, 0.001);
	s->ops->wake(r);
	s->ops->wait(r, 1000);
	append(s, a, 0, 0, 1);
	s->ops->wait(r, 1000);
	s->ops->wait(r, 0);
	s->ops->reader_close(r);
	s->ops->close(s);
}

static void power_syncs_each_commit(void **state)
{
	(void)state;
	struct fl_streams_conf conf = {.dir = test_dir, .app = "test", .power = 1};
	struct fl_streams *s = fl_embedded_open(&conf, test_err);
	assert_non_null(s);
	uint32_t a = declare(s, "a", 1);
	for (int i = 0; i < 20; i++)
		assert_int_equal(append(s, a, 0, i, 1), i);
	assert_int_equal(s->ops->sync(s, test_err), 0);
	expect(s, a, 0, 0, 0, 20);
	s->ops->close(s);
}

static int64_t first_of(struct fl_streams *s, uint32_t stream)
{
	int64_t first, next;
	assert_int_equal(s->ops->bounds(s, stream, 0, &first, &next, test_err), 0);
	return first;
}

static void wait_first(struct fl_streams *s, uint32_t stream, int64_t first)
{
	for (int i = 0; i < 1000 && first_of(s, stream) != first; i++)
		usleep(10000);
	assert_int_equal(first_of(s, stream), first);
}

static void retention_by_size(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	struct fl_stream_def def = {.name = "a", .partitions = 1, .keep_bytes = 1000000};
	int a = s->ops->declare(s, &def, test_err);
	for (int i = 0; i < 300; i++) {
		struct fl_txn *t = txn_new();
		txn_append(t, (uint32_t)a, 0, i * 10, 10, 1000 - 21);
		txn_commit(s, t);
	}
	wait_first(s, (uint32_t)a, 2000); /* 1,000 records of 1,000 bytes are kept, in whole segments of ten */
	expect(s, (uint32_t)a, 0, 2000, 2000, 1000);
	struct all all = read_all(s, (uint32_t)a, 0, 0);
	assert_int_equal(all.offset[0], 2000);
	all_free(&all);
	reopen(&s);
	a = s->ops->declare(s, &def, test_err);
	assert_int_equal(first_of(s, (uint32_t)a), 2000);
	assert_int_equal(append(s, (uint32_t)a, 0, 3000, 1), 3000);
	s->ops->close(s);
}

static void retention_by_age_remembers_the_end(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	struct fl_stream_def def = {.name = "a", .partitions = 1, .keep_age = 0.001};
	int a = s->ops->declare(s, &def, test_err);
	append(s, (uint32_t)a, 0, 0, 10);
	append(s, (uint32_t)a, 0, 10, 10);
	wait_first(s, (uint32_t)a, 20);
	expect(s, (uint32_t)a, 0, 0, 0, 0);
	reopen(&s);
	def.keep_age = 0;
	a = s->ops->declare(s, &def, test_err);
	assert_int_equal(first_of(s, (uint32_t)a), 20);
	assert_int_equal(append(s, (uint32_t)a, 0, 20, 5), 20);
	expect(s, (uint32_t)a, 0, 20, 20, 5);
	s->ops->close(s);
}

static void changelogs_go_only_by_trim(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	struct fl_stream_def def = {
		.name = "a-changelog", .partitions = 1, .changelog = 1, .keep_age = 0.001, .keep_bytes = 1};
	uint32_t a = (uint32_t)s->ops->declare(s, &def, test_err);
	for (int i = 0; i < 200; i++)
		append(s, a, 0, i * 10, 10);
	usleep(100000);
	assert_int_equal(first_of(s, a), 0);
	s->ops->trim(s, a, 0, 1505);
	s->ops->trim(s, a, 0, 1000); /* never goes back */
	wait_first(s, a, 1500);
	expect(s, a, 0, 1500, 1500, 500);
	s->ops->close(s);
}

static void refuses(struct fl_streams *s, const struct fl_stream_def *def, const char *why)
{
	assert_int_equal(s->ops->declare(s, def, test_err), -1);
	if (!strstr(test_err, why))
		print_error("%s\n", test_err);
	assert_non_null(strstr(test_err, why));
}

static void partitions_cannot_change(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	declare(s, "a", 2);
	refuses(s, &(struct fl_stream_def){.name = "a", .partitions = 3}, "has 2 partitions, not 3");
	reopen(&s);
	refuses(s, &(struct fl_stream_def){.name = "a", .partitions = 3}, "has 2 partitions, not 3");
	refuses(s, &(struct fl_stream_def){.name = "big", .partitions = 40000}, "more than 32766 partitions");
	declare(s, "small", 1);
	char name[400];
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = 0;
	refuses(s, &(struct fl_stream_def){.name = name, .partitions = 1}, "at most 255 bytes");
	struct fl_stream_info *info;
	uint32_t n;
	assert_int_equal(s->ops->list(s, &info, &n, test_err), 0);
	assert_int_equal(n, 2);
	assert_string_equal(info[0].name, "a");
	assert_int_equal(info[0].partitions, 2);
	assert_string_equal(info[1].name, "small");
	free(info);
	s->ops->close(s);
}

static void refuses_to_open(enum fl_streams_mode mode, const char *why)
{
	struct fl_streams_conf conf = {.dir = test_dir, .app = "test", .mode = mode};
	assert_null(fl_embedded_open(&conf, test_err));
	if (!strstr(test_err, why))
		print_error("%s\n", test_err);
	assert_non_null(strstr(test_err, why));
}

static void one_daemon_at_a_time(void **state)
{
	(void)state;
	char why[64];
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	snprintf(why, sizeof why, "is run by process %d already; stop it", (int)getpid());
	refuses_to_open(FL_STREAMS_DAEMON, why);
	s->ops->close(s);
	s = streams_open(FL_STREAMS_DAEMON);
	s->ops->close(s);
}

static void other_files_are_refused_untouched(void **state)
{
	(void)state;
	char file[128], text[64] = "";
	snprintf(file, sizeof file, "%s/streams.db", test_dir);
	refuses_to_open(FL_STREAMS_READ, "has the daemon run with this --data?");
	FILE *f = fopen(file, "w");
	fprintf(f, "This is my diary, and it is long enough to look like a header of a file");
	fclose(f);
	refuses_to_open(FL_STREAMS_DAEMON, "no SQLite file");
	refuses_to_open(FL_STREAMS_READ, "no SQLite file");
	f = fopen(file, "r");
	assert_non_null(fgets(text, 17, f));
	fclose(f);
	assert_string_equal(text, "This is my diary");
	unlink(file);
	sql("CREATE TABLE mine(x)");
	refuses_to_open(FL_STREAMS_DAEMON, "database of another program");
	unlink(file);
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	s->ops->close(s);
	sql("PRAGMA user_version = 2");
	refuses_to_open(FL_STREAMS_DAEMON, "format 2, written by a newer fairlead; this one reads and writes format 1");
	sql("PRAGMA user_version = 0");
	refuses_to_open(FL_STREAMS_SEND, "format 0, written by an older fairlead");
	sql("PRAGMA user_version = 1");
	s = streams_open(FL_STREAMS_DAEMON);
	s->ops->close(s);
}

static void damage_is_told(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	append(s, declare(s, "a", 1), 0, 0, 10);
	append(s, declare(s, "a", 1), 0, 10, 10);
	s->ops->close(s);
	sql("UPDATE batch SET bytes = substr(bytes, 1, 100) WHERE (id & 15) = 10");
	s = streams_open(FL_STREAMS_DAEMON);
	uint32_t a = declare(s, "a", 1);
	struct fl_reader *r = s->ops->reader(s, test_err);
	struct fl_segment *seg;
	assert_int_equal(s->ops->read(r, a, 0, 12, &seg, test_err), -1);
	assert_non_null(strstr(test_err, "stream \"a\", partition 0: the records from offset 10 on are damaged"));
	s->ops->reader_close(r);
	s->ops->close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_committed_is_read),
		TEST(positions_move_with_records),
		TEST(many_steps_keep_their_order),
		TEST(closing_commits_what_was_handed_in),
		TEST(several_readers_of_the_cache),
		TEST(several_readers_of_the_file),
		TEST(waiting_ends_by_commit_wake_and_time),
		TEST(power_syncs_each_commit),
		TEST(retention_by_size),
		TEST(retention_by_age_remembers_the_end),
		TEST(changelogs_go_only_by_trim),
		TEST(partitions_cannot_change),
		TEST(one_daemon_at_a_time),
		TEST(other_files_are_refused_untouched),
		TEST(damage_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
