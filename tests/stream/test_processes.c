/* The embedded streams between processes: a sender beside the daemon, kill -9, reboots, full disks, directories that
 * cannot be written. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "stream_helper.h"

#define TEST(f) cmocka_unit_test_setup_teardown(f, dir_new, dir_gone)

static void send_some(enum fl_streams_mode mode, int64_t first, int steps)
{
	struct fl_streams *s = streams_open(mode);
	uint32_t a = declare(s, "a", 0);
	for (int i = 0; i < steps; i++)
		append(s, a, 0, first + i * 10, 10);
	s->ops->close(s);
}

/* Every value once, the offsets without a gap, and the records of each writer in their order. */
static void expect_two_writers(struct fl_streams *s, uint32_t a, size_t each)
{
	struct all all = read_all(s, a, 0, 0);
	int64_t next[2] = {0, 1000000};
	assert_int_equal(all.n, 2 * each);
	for (size_t i = 0; i < all.n; i++) {
		assert_int_equal(all.offset[i], i);
		assert_int_equal(all.value[i], next[all.value[i] >= 1000000]);
		next[all.value[i] >= 1000000]++;
	}
	all_free(&all);
}

static void a_sender_beside_the_daemon(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	declare(s, "a", 1);
	s->ops->close(s);
	pid_t pid = fork();
	if (pid == 0) {
		send_some(FL_STREAMS_SEND, 1000000, 200);
		_exit(0);
	}
	s = streams_open(FL_STREAMS_DAEMON);
	uint32_t a = declare(s, "a", 1);
	for (int i = 0; i < 200; i++)
		append(s, a, 0, i * 10, 10);
	child_ends_well(pid);
	/* What the other process wrote last is noticed without anything being committed here. */
	struct fl_reader *r = s->ops->reader(s, test_err);
	struct fl_segment *seg;
	for (int i = 0; s->ops->read(r, a, 0, 3999, &seg, test_err) == 0 && i < 100; i++)
		s->ops->wait(r, 0.1);
	assert_int_equal(seg->base + seg->n, 4000);
	fl_segment_unref(seg);
	s->ops->reader_close(r);
	expect_two_writers(s, a, 2000);
	s->ops->close(s);
}

static void a_sender_without_a_daemon(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_SEND);
	assert_int_equal(s->ops->declare(s, &(struct fl_stream_def){.name = "a"}, test_err), -1);
	assert_non_null(strstr(test_err, "there is no stream \"a\""));
	declare(s, "a", 1);
	s->ops->close(s);
	send_some(FL_STREAMS_SEND, 0, 3);
	send_some(FL_STREAMS_SEND, 30, 3);
	s = streams_open(FL_STREAMS_READ);
	uint32_t a = declare(s, "a", 0);
	assert_int_equal(s->ops->partitions(s, a), 1);
	expect(s, a, 0, 0, 0, 60);
	s->ops->close(s);
}

static void a_reader_follows_the_daemon(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON), *tail = streams_open(FL_STREAMS_READ);
	uint32_t a = declare(s, "a", 1), b = declare(tail, "a", 0);
	struct fl_reader *r = tail->ops->reader(tail, test_err);
	struct fl_segment *seg;
	assert_int_equal(tail->ops->read(r, b, 0, 0, &seg, test_err), 0);
	append(s, a, 0, 0, 10);
	for (int i = 0; tail->ops->read(r, b, 0, 0, &seg, test_err) == 0 && i < 100; i++)
		tail->ops->wait(r, 0.1);
	assert_int_equal(seg->n, 10);
	fl_segment_unref(seg);
	tail->ops->reader_close(r);
	tail->ops->close(tail);
	s->ops->close(s);
}

/* As another user, who may read only. */
static void a_directory_that_cannot_be_written(void **state)
{
	(void)state;
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	append(s, declare(s, "a", 1), 0, 0, 10);
	s->ops->close(s);
	assert_int_equal(chmod(test_dir, 0555), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (getuid() == 0 && setuid(65534) != 0)
			_exit(1);
		struct fl_streams_conf conf = {.dir = test_dir, .app = "test", .mode = FL_STREAMS_DAEMON};
		if (fl_embedded_open(&conf, test_err) || !strstr(test_err, "Permission denied"))
			_exit(2);
		s = streams_open(FL_STREAMS_READ);
		expect(s, declare(s, "a", 0), 0, 0, 0, 10);
		s->ops->close(s);
		_exit(0);
	}
	child_ends_well(pid);
}

/* Another user who may only read, while the daemon runs and writes. */
static void a_reader_who_may_not_write(void **state)
{
	(void)state;
	int go[2];
	char byte;
	assert_int_equal(pipe(go), 0);
	assert_int_equal(chmod(test_dir, 0755), 0);
	pid_t pid = fork(); /* before anything is open: SQLite must not be carried over a fork */
	if (pid == 0) {
		if (getuid() == 0 && setuid(65534) != 0)
			_exit(1);
		if (read(go[0], &byte, 1) != 1)
			_exit(2);
		struct fl_streams *s = streams_open(FL_STREAMS_READ);
		expect(s, declare(s, "a", 0), 0, 0, 0, 10);
		s->ops->close(s);
		_exit(0);
	}
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	append(s, declare(s, "a", 1), 0, 0, 10);
	assert_int_equal(write(go[1], "x", 1), 1);
	child_ends_well(pid);
	s->ops->close(s);
	close(go[0]);
	close(go[1]);
}

/* The child appends to two partitions and moves a position in each step, and says which step is in. */
static void commit_for_ever(int say, int64_t step)
{
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	uint32_t a = declare(s, "a", 2);
	struct fl_txn *way[4] = {0};
	for (;; step++) {
		struct fl_txn **t = &way[step % 4];
		if (*t) {
			int64_t in = step - 4;
			txn_wait(*t);
			fl_txn_free(*t);
			if (write(say, &in, sizeof in) != sizeof in)
				_exit(1);
		}
		*t = txn_new();
		txn_append(*t, a, 0, step * 3, 3, 50);
		txn_append(*t, a, 1, step, 1, (uint32_t)(step % 7 == 0 ? 40000 : 30));
		txn_position(*t, "r", a, 0, step + 1);
		s->ops->commit(s, *t);
	}
}

/* How many steps are in: both partitions and the position have to say the same. */
static int64_t steps_in(void)
{
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	uint32_t a = declare(s, "a", 2);
	int64_t steps = s->ops->position(s, "r", a, 0, test_err);
	assert_true(steps >= -1);
	steps = steps < 0 ? 0 : steps;
	expect(s, a, 0, 0, 0, (size_t)steps * 3);
	expect(s, a, 1, 0, 0, (size_t)steps);
	s->ops->close(s);
	return steps;
}

static void kill_minus_nine(void **state)
{
	(void)state;
	int64_t steps = 0;
	srand(7);
	for (int round = 0; round < 40; round++) {
		int pipes[2];
		int64_t said = -1, one;
		assert_int_equal(pipe(pipes), 0);
		pid_t pid = fork();
		if (pid == 0) {
			close(pipes[0]);
			commit_for_ever(pipes[1], steps);
		}
		close(pipes[1]);
		usleep((useconds_t)(rand() % 40000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(pipes[0], &one, sizeof one) == sizeof one)
			said = one;
		close(pipes[0]);
		int64_t in = steps_in();
		assert_true(in >= steps && in > said);
		steps = in;
	}
	assert_true(steps > 40);
}

static int64_t next_of(struct fl_streams *s, uint32_t a)
{
	int64_t first, next;
	assert_int_equal(s->ops->bounds(s, a, 0, &first, &next, test_err), 0);
	return next;
}

static void crash(int64_t first)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
		append(s, declare(s, "a", 1), 0, first, 10);
		_exit(0); /* not closed */
	}
	child_ends_well(pid);
}

static void a_reboot_skips_to_the_mark(void **state)
{
	(void)state;
	setenv("FAIRLEAD_BOOT_ID", "one", 1);
	crash(0);
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	assert_int_equal(next_of(s, declare(s, "a", 1)), 10); /* a crash alone loses nothing */
	s->ops->close(s);
	setenv("FAIRLEAD_BOOT_ID", "two", 1);
	s = streams_open(FL_STREAMS_DAEMON);
	assert_int_equal(next_of(s, declare(s, "a", 1)), 10); /* nor does a reboot after a clean stop */
	s->ops->close(s);
	crash(10);
	setenv("FAIRLEAD_BOOT_ID", "three", 1);
	s = streams_open(FL_STREAMS_DAEMON);
	uint32_t a = declare(s, "a", 1);
	int64_t next = next_of(s, a);
	assert_true(next >= 65536 && next < 400000);
	expect(s, a, 0, 0, 0, 20);
	/* The gap is no retention, and nobody waits for records in it. */
	int64_t first, same;
	assert_int_equal(s->ops->bounds(s, a, 0, &first, &same, test_err), 0);
	assert_int_equal(first, 0);
	assert_int_equal(s->ops->end(s, a, 0), 20);
	assert_int_equal(append(s, a, 0, 20, 5), next);
	assert_int_equal(s->ops->end(s, a, 0), next + 5);
	expect(s, a, 0, next, 20, 5);
	s->ops->close(s);
	unsetenv("FAIRLEAD_BOOT_ID");
}

static void limit_files(rlim_t bytes) { setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, RLIM_INFINITY}); }

static void limit_disk(int full)
{
	if (mount("none", test_dir, "tmpfs", MS_REMOUNT, full ? "size=1m" : "size=64m") != 0)
		_exit(3);
}

/* No room for a while, in one of two ways; nothing may be lost, doubled or refused. */
static void wait_for_room(int disk)
{
	enum { STEPS = 60 };
	static struct fl_txn *t[STEPS];
	/* On the full disk it is the checkpoint of a short WAL that meets it first. */
	struct fl_streams_conf conf = {.dir = test_dir, .app = "test", .wal = disk ? 1 << 18 : 0};
	struct fl_streams *s = fl_embedded_open(&conf, test_err);
	uint32_t a = declare(s, "a", 1);
	append(s, a, 0, 0, 10);
	if (disk)
		limit_disk(1);
	else
		limit_files(2 << 20);
	for (int i = 0; i < STEPS; i++) {
		t[i] = txn_new();
		txn_append(t[i], a, 0, 10 + i * 10, 10, 10000);
		txn_position(t[i], "r", a, 0, i);
		s->ops->commit(s, t[i]);
	}
	usleep(600000);
	assert_int_equal(atomic_load(&t[STEPS - 1]->done), 0);
	struct all some = read_all(s, a, 0, 0); /* reading goes on */
	assert_true(some.n >= 10);
	all_free(&some);
	if (disk)
		limit_disk(0);
	else
		limit_files(RLIM_INFINITY);
	for (int i = 0; i < STEPS; i++) {
		txn_wait(t[i]);
		fl_txn_free(t[i]);
	}
	expect(s, a, 0, 0, 0, 10 + STEPS * 10);
	assert_int_equal(s->ops->position(s, "r", a, 0, test_err), STEPS - 1);
	s->ops->close(s);
}

/* SQLite sees a write that fails with EFBIG. */
static void a_limit_on_files_is_waited_out(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGXFSZ, SIG_IGN);
		wait_for_room(0);
		_exit(0);
	}
	child_ends_well(pid);
}

/* A file system of its own, which only root can make. */
static void a_full_disk_is_waited_out(void **state)
{
	(void)state;
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount("none", test_dir, "tmpfs", 0, "size=64m") != 0)
			_exit(77);
		wait_for_room(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_disk_that_is_full_from_the_start(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){20000, RLIM_INFINITY});
		struct fl_streams_conf conf = {.dir = test_dir, .app = "test"};
		if (fl_embedded_open(&conf, test_err) || !strstr(test_err, "; make room there")) {
			print_error("%s\n", test_err);
			_exit(1);
		}
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
		struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
		append(s, declare(s, "a", 1), 0, 0, 10);
		s->ops->close(s);
		_exit(0);
	}
	child_ends_well(pid);
}

/* A transaction that somebody leaves open in a sqlite3 shell. */
static void a_locked_file_is_waited_out(void **state)
{
	(void)state;
	char cmd[256];
	struct fl_streams *s = streams_open(FL_STREAMS_DAEMON);
	uint32_t a = declare(s, "a", 1);
	append(s, a, 0, 0, 10);
	snprintf(cmd, sizeof cmd, "(echo 'BEGIN IMMEDIATE;'; sleep 3; echo 'COMMIT;') | sqlite3 %s/streams.db", test_dir);
	FILE *shell = popen(cmd, "w");
	usleep(500000);
	struct fl_txn *t = txn_new();
	txn_append(t, a, 0, 10, 10, 30);
	assert_int_equal(txn_commit(s, t), 10);
	assert_int_equal(pclose(shell), 0);
	expect(s, a, 0, 0, 0, 20);
	s->ops->close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_sender_beside_the_daemon),
		TEST(a_sender_without_a_daemon),
		TEST(a_reader_follows_the_daemon),
		TEST(a_directory_that_cannot_be_written),
		TEST(a_reader_who_may_not_write),
		TEST(kill_minus_nine),
		TEST(a_reboot_skips_to_the_mark),
		TEST(a_limit_on_files_is_waited_out),
		TEST(a_full_disk_is_waited_out),
		TEST(a_disk_that_is_full_from_the_start),
		TEST(a_locked_file_is_waited_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
