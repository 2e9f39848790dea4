/* The log's two formats, repetition, secrets, hostile bytes. stderr goes to a file for the time of a test. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/base/buf.h"
#include "../../core/base/log.h"

static int real_stderr, file;
static struct fl_buf caught;

static void catch_begin(void)
{
	char path[] = "/tmp/fairlead-test-log-XXXXXX";
	file = mkstemp(path);
	assert_true(file >= 0);
	unlink(path);
	real_stderr = dup(STDERR_FILENO);
	dup2(file, STDERR_FILENO);
}

static const char *catch_end(void)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	off_t n = lseek(file, 0, SEEK_END);
	caught.len = 0;
	fl_buf_room(&caught, (size_t)n + 1);
	assert_int_equal(pread(file, caught.p, (size_t)n, 0), n);
	caught.p[n] = 0;
	close(file);
	return caught.p;
}

static int lines(const char *text)
{
	int n = 0;
	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void text_has_time_level_who(void **s)
{
	(void)s;
	fl_log_setup(0, FL_INFO);
	catch_begin();
	fl_log(FL_ERROR, "yacht/enrich", "the database is %s", "away");
	fl_log(FL_INFO, NULL, "ready");
	fl_log(FL_DEBUG, NULL, "not written at this level");
	const char *out = catch_end();
	int y, mo, d, h, mi, sec, ms, end = 0;
	assert_int_equal(sscanf(out, "%4d-%2d-%2d %2d:%2d:%2d.%3d %n", &y, &mo, &d, &h, &mi, &sec, &ms, &end), 7);
	assert_int_equal(end, 24);
	assert_memory_equal(out + end, "error yacht/enrich: the database is away\n", 41);
	assert_non_null(strstr(out, " info ready\n"));
	assert_int_equal(lines(out), 2);
}

static void further_lines_are_indented(void **s)
{
	(void)s;
	fl_log_setup(0, FL_INFO);
	catch_begin();
	fl_log(FL_ERROR, "a", "scripts/a.lua:3: boom\nstack traceback:\n\t[C]: in function 'error'\n");
	const char *out = catch_end();
	assert_non_null(strstr(out, "boom\n    stack traceback:\n    \t[C]: in function 'error'\n"));
	assert_int_equal(lines(out), 3);
}

static void json_is_one_valid_line(void **s)
{
	(void)s;
	fl_log_setup(1, FL_INFO);
	catch_begin();
	fl_log(FL_WARN, "yacht", "a \"quote\", a \\, two\nlines, \x01, \xff, \xc3\xa9, \xed\xa0\x80");
	const char *out = catch_end();
	assert_memory_equal(out, "{\"time\":\"20", 11);
	const char *rest = strstr(out, "Z\",\"level\"");
	assert_non_null(rest);
	assert_string_equal(rest, "Z\",\"level\":\"warn\",\"who\":\"yacht\",\"message\":\"a \\\"quote\\\", a \\\\, two\\nlines, \\u0001, "
		"\xef\xbf\xbd, \xc3\xa9, \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}\n");
	fl_log_setup(0, FL_INFO);
}

static void a_record_cannot_drive_the_terminal(void **s)
{
	(void)s;
	fl_log_setup(0, FL_INFO);
	catch_begin();
	fl_log(FL_INFO, NULL, "boat \x1b[2J\xc2\x9b\x7f\rgone");
	const char *out = catch_end();
	assert_non_null(strstr(out, "boat \\x1b[2J\\u009b\\u007f\\x0dgone\n"));
}

static void repeated_texts_are_counted(void **s)
{
	(void)s;
	fl_log_setup(0, FL_INFO);
	catch_begin();
	for (int i = 0; i < 1000; i++)
		fl_log(FL_WARN, "yacht", "the disk is full");
	fl_log(FL_WARN, "weather", "the disk is full");
	usleep(1100000);
	fl_log(FL_INFO, "yacht", "something else");
	fl_log(FL_WARN, "yacht", "the disk is full");
	const char *out = catch_end();
	assert_int_equal(lines(out), 5);
	assert_non_null(strstr(out, "yacht: the disk is full (and 999 more of these)\n"));
	assert_null(strstr(out, "weather: the disk is full (and"));
}

static void many_different_texts_all_appear(void **s)
{
	(void)s;
	fl_log_setup(0, FL_INFO);
	catch_begin();
	for (int i = 0; i < 100; i++)
		fl_log(FL_INFO, "many", "text %d", i);
	assert_int_equal(lines(catch_end()), 100);
}

static void secrets_never_appear(void **s)
{
	(void)s;
	fl_secret_add("postgres://bob:tr0ub4dor@db/yacht");
	fl_secret_add("hunter22");
	fl_secret_add("hunter22-and-more");
	fl_secret_add("abc");
	fl_log_setup(0, FL_INFO);
	catch_begin();
	fl_log(FL_ERROR, NULL, "cannot reach postgres://bob:tr0ub4dor@db/yacht; abc");
	fl_log(FL_ERROR, NULL, "password tr0ub4dor and hunter22-and-more, hunter22hunter22");
	const char *out = catch_end();
	assert_non_null(strstr(out, "cannot reach ***; abc\n"));
	assert_non_null(strstr(out, "password *** and ***, ******\n"));

	char text[] = "hunter22";
	fl_secret_mask(text);
	assert_string_equal(text, "***");
	char none[] = "";
	fl_secret_mask(none);
	assert_string_equal(none, "");
}

static void status_is_silent_off_a_terminal(void **s)
{
	(void)s;
	catch_begin();
	fl_log_setup(0, FL_INFO);
	fl_log_status("6 boats");
	fl_log_status(NULL);
	assert_string_equal(catch_end(), "");
	fl_log_setup(0, FL_INFO);
}

static void status_stays_below_on_a_terminal(void **s)
{
	(void)s;
	int pt = posix_openpt(O_RDWR | O_NOCTTY);
	if (pt < 0 || grantpt(pt) < 0 || unlockpt(pt) < 0)
		skip();
	int side = open(ptsname(pt), O_RDWR | O_NOCTTY);
	assert_true(side >= 0);
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	int keep = dup(STDERR_FILENO);
	dup2(side, STDERR_FILENO);
	fl_log_setup(0, FL_INFO);
	fl_log_status("6 boats");
	fl_log(FL_INFO, "tty", "a line");
	fl_log_status(NULL);
	dup2(keep, STDERR_FILENO);
	fl_log_setup(0, FL_INFO);
	char out[1024] = "";
	/* A terminal hands its bytes over in pieces. */
	for (size_t len = 0; len < sizeof out - 1 && !strstr(out, "line\r\n6 boats\r\033[K");) {
		struct pollfd p = {.fd = pt, .events = POLLIN};
		ssize_t n = poll(&p, 1, 10000) == 1 ? read(pt, out + len, sizeof out - 1 - len) : 0;
		assert_true(n > 0);
		len += (size_t)n;
	}
	close(keep);
	close(side);
	close(pt);
	assert_memory_equal(out, "\r\033[K6 boats\r\033[K", 15);
	assert_non_null(strstr(out, "\033[32minfo\033[0m tty: a line\r\n6 boats\r\033[K"));
}

static void *talk(void *arg)
{
	for (int i = 0; i < 200; i++)
		fl_log(FL_INFO, arg, "line %d of a thread", i);
	return NULL;
}

static void threads_do_not_mix_lines(void **s)
{
	(void)s;
	fl_log_setup(0, FL_INFO);
	catch_begin();
	pthread_t t[4];
	char who[4][4] = {"t0", "t1", "t2", "t3"};
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, talk, who[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	char *out = (char *)(uintptr_t)catch_end();
	assert_int_equal(lines(out), 800);
	int whole = 0;
	for (char *save, *l = strtok_r(out, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		int who_nr, nr, end = 0;
		whole += sscanf(l + 24, "info t%d: line %d of a thread%n", &who_nr, &nr, &end) == 2 && l[24 + end] == 0;
	}
	assert_int_equal(whole, 800);
}

static int free_caught(void **s)
{
	(void)s;
	fl_buf_free(&caught);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_has_time_level_who),
		cmocka_unit_test(further_lines_are_indented),
		cmocka_unit_test(json_is_one_valid_line),
		cmocka_unit_test(a_record_cannot_drive_the_terminal),
		cmocka_unit_test(repeated_texts_are_counted),
		cmocka_unit_test(many_different_texts_all_appear),
		cmocka_unit_test(secrets_never_appear),
		cmocka_unit_test(status_is_silent_off_a_terminal),
		cmocka_unit_test(status_stays_below_on_a_terminal),
		cmocka_unit_test(threads_do_not_mix_lines),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, free_caught);
}
