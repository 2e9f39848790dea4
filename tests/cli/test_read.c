/* Scanning a stream for tail and dlq, and a record as JSON: cli/read.c; numbers of options: cli/common.c. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "cli/common.h"
#include "cli/read.h"
#include "event/header.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/fl-read-XXXXXX");
	assert_non_null(mkdtemp(dir));
	fl_log_setup(0, FL_ERROR);
	return 0;
}

static int teardown(void **state)
{
	char cmd[96];
	(void)state;
	unsetenv("FAIRLEAD_BOOT_ID");
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

static struct fl_streams *open_streams(uint32_t partitions)
{
	char err[FL_ERRLEN];
	struct fl_streams *st = fl_embedded_open(&(struct fl_streams_conf){.dir = dir, .app = "t", .mode = FL_STREAMS_SEND}, err);
	assert_non_null(st);
	assert_int_equal(st->ops->declare(st, &(struct fl_stream_def){.name = "s", .partitions = partitions}, err), 0);
	return st;
}

/* n records in one commit: "<partition>.<first>" and so on. */
static void append(struct fl_streams *st, uint32_t partition, int first, int n)
{
	struct fl_buf b = {0};
	for (int k = 0; k < n; k++) {
		char text[32];
		snprintf(text, sizeof text, "%u.%d", partition, first + k);
		fl_segment_add(&b, &(struct fl_record){.time = 5, .value = fl_str(text)});
	}
	struct fl_txn *t = fl_alloc(sizeof *t);
	t->append = fl_alloc(sizeof *t->append);
	t->append[0] = (struct fl_append){0, partition, fl_segment_take(&b, (uint32_t)n)};
	t->appends = 1;
	t->bytes = t->append[0].segment->size;
	st->ops->commit(st, t);
	while (!atomic_load_explicit(&t->done, memory_order_acquire))
		usleep(100);
	fl_txn_free(t);
}

/* All values from where the scan stands, with a space before each. */
static void expect(struct fl_scan *sc, const char *expected)
{
	char err[FL_ERRLEN] = "";
	struct fl_scanned s;
	struct fl_buf all = {0};
	int rc;
	while ((rc = fl_scan_next(sc, &s, err)) > 0)
		fl_buf_printf(&all, " %.*s", (int)s.r.value.len, s.r.value.p);
	assert_int_equal(rc, 0);
	fl_buf_byte(&all, 0);
	assert_string_equal(all.p, expected);
	fl_buf_free(&all);
}

static void partitions_come_in_the_order_of_their_commits(void **state)
{
	(void)state;
	char err[FL_ERRLEN];
	struct fl_streams *st = open_streams(3);
	append(st, 1, 0, 2);
	append(st, 0, 0, 1);
	append(st, 2, 0, 2);
	append(st, 0, 1, 2);
	struct fl_scan *sc = fl_scan_open(st, "s", -1, err);
	assert_non_null(sc);
	expect(sc, " 1.0 1.1 0.0 2.0 2.1 0.1 0.2");
	expect(sc, "");
	append(st, 1, 2, 1); /* what comes later is seen by the same scan */
	expect(sc, " 1.2");
	fl_scan_close(sc);
	sc = fl_scan_open(st, "s", 1, err); /* of each partition */
	expect(sc, " 1.1 2.1 0.1 0.2 1.2");
	fl_scan_close(sc);
	sc = fl_scan_open(st, "s", INT64_MAX, err);
	expect(sc, "");
	append(st, 2, 2, 1);
	expect(sc, " 2.2");
	fl_scan_close(sc);
	st->ops->close(st);
}

static void the_last_ones_of_each_partition(void **state)
{
	(void)state;
	char err[FL_ERRLEN];
	struct fl_streams *st = open_streams(2);
	append(st, 0, 0, 5);
	append(st, 1, 0, 2);
	struct fl_scan *sc = fl_scan_open(st, "s", -1, err);
	assert_int_equal(fl_scan_last(sc, 3), 0);
	expect(sc, " 0.2 0.3 0.4 1.0 1.1");
	assert_int_equal(fl_scan_last(sc, 1), 0);
	expect(sc, " 0.4 1.1");
	assert_int_equal(fl_scan_last(sc, 100), 1);
	expect(sc, " 0.0 0.1 0.2 0.3 0.4 1.0 1.1");
	fl_scan_close(sc);
	st->ops->close(st);
}

/* A power cut leaves a gap in the offsets: the scan goes on behind it, and the last ones are those before it. */
static void goes_across_gaps(void **state)
{
	(void)state;
	char err[FL_ERRLEN];
	struct fl_scanned s;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("FAIRLEAD_BOOT_ID", "1", 1);
		append(open_streams(1), 0, 0, 2);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	setenv("FAIRLEAD_BOOT_ID", "2", 1);
	struct fl_streams *st = open_streams(1);
	struct fl_scan *sc = fl_scan_open(st, "s", -1, err);
	assert_int_equal(fl_scan_last(sc, 1), 0);
	expect(sc, " 0.1");
	append(st, 0, 2, 2);
	assert_int_equal(fl_scan_next(sc, &s, err), 1);
	assert_int_equal(s.r.value.len, 3);
	assert_memory_equal(s.r.value.p, "0.2", 3);
	assert_true(s.offset > 2);
	expect(sc, " 0.3");
	fl_scan_close(sc);
	sc = fl_scan_open(st, "s", 2, err); /* an offset in the gap */
	expect(sc, " 0.2 0.3");
	fl_scan_close(sc);
	st->ops->close(st);
}

static void says_which_stream_is_not_there(void **state)
{
	(void)state;
	char err[FL_ERRLEN];
	struct fl_streams *st = open_streams(1);
	assert_null(fl_scan_open(st, "t", -1, err));
	assert_non_null(strstr(err, "\"t\""));
	st->ops->close(st);
}

static void expect_meta(struct fl_scanned s, const char *expected)
{
	struct fl_buf b = {0};
	fl_scan_meta("s", &s, &b);
	fl_buf_byte(&b, 0);
	assert_string_equal(b.p, expected);
	fl_buf_free(&b);
}

static struct fl_scanned scanned(const char *key, const char *value, struct fl_str headers)
{
	static char padded[256];
	struct fl_scanned s = {.partition = 2, .offset = 41};
	memset(padded, 0, sizeof padded);
	if (value)
		strcpy(padded, value);
	s.r = (struct fl_record){1.5, key ? fl_str(key) : (struct fl_str){0}, headers,
		value ? (struct fl_str){padded, (uint32_t)strlen(value)} : (struct fl_str){0}};
	return s;
}

static void a_record_as_json(void **state)
{
	(void)state;
	struct fl_buf h = {0};
	fl_header_add(&h, fl_str("a\"b"), fl_str("1"));
	fl_header_add(&h, fl_str("c"), fl_str("\xff"));
	struct fl_str headers = {h.p, (uint32_t)h.len};
	expect_meta(scanned("k", "{\"x\": 1.10}", (struct fl_str){0}),
		    "{\"stream\":\"s\",\"partition\":2,\"offset\":41,\"time\":1.5,\"key\":\"k\",\"headers\":{},\"value\":{\"x\": 1.10}}\n");
	expect_meta(scanned(NULL, "no json\n", headers),
		    "{\"stream\":\"s\",\"partition\":2,\"offset\":41,\"time\":1.5,\"key\":null,\"headers\":{\"a\\\"b\":\"1\",\"c\":\"/w==\"},\"value\":\"no json\\n\"}\n");
	expect_meta(scanned("\xfe", "\xff\xff", (struct fl_str){0}),
		    "{\"stream\":\"s\",\"partition\":2,\"offset\":41,\"time\":1.5,\"key_base64\":\"/g==\",\"headers\":{},\"value_base64\":\"//8=\"}\n");
	expect_meta(scanned("k", NULL, (struct fl_str){0}),
		    "{\"stream\":\"s\",\"partition\":2,\"offset\":41,\"time\":1.5,\"key\":\"k\",\"headers\":{},\"value\":null}\n");
	fl_buf_free(&h);
}

static void numbers_are_whole_and_positive(void **state)
{
	(void)state;
	assert_int_equal(fl_cli_number("0"), 0);
	assert_int_equal(fl_cli_number("9223372036854775807"), INT64_MAX);
	static const char *const BAD[] = {"", " ", "-1", "1x", "9223372036854775808", "1e3", "0x10", " 1", "+1"};
	for (size_t k = 0; k < sizeof BAD / sizeof *BAD; k++)
		assert_int_equal(fl_cli_number(BAD[k]), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(partitions_come_in_the_order_of_their_commits),
		TEST(the_last_ones_of_each_partition),
		TEST(goes_across_gaps),
		TEST(says_which_stream_is_not_there),
		TEST(a_record_as_json),
		TEST(numbers_are_whole_and_positive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
