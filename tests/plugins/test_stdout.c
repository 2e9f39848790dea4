/* plugins/stdout.c: one record a line, what comes with it, and readers that are slow or gone. */
#include "stage.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int was, ends[2];

/* From here on the process's stdout is a pipe. */
static void redirect(void)
{
	fflush(stdout);
	was = dup(1);
	assert_int_equal(pipe(ends), 0);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	dup2(ends[1], 1);
	close(ends[1]);
}

static void restore(void)
{
	fflush(stdout);
	dup2(was, 1);
	close(was);
	if (ends[0] >= 0)
		close(ends[0]);
}

static const char *printed(void)
{
	static char out[1 << 16];
	ssize_t n = read(ends[0], out, sizeof out - 1);
	out[n > 0 ? n : 0] = 0;
	return out;
}

static void make(struct stage *s, const char *format, const struct fl_codec *codec)
{
	stage_new(s, "stdout", codec);
	stage_text(s, "format", format);
	stage_must_open(s);
}

static int put(struct stage *s, const char *key, const char *record)
{
	struct fl_position pos = {"in", 2, 8};
	stage_begin(s, "in", 2);
	stage_add(s, 7, 1715479897.1, key, record);
	stage_decode(s);
	if (fl_instance_write(s->in, s->ev, s->err) < 0)
		return -1;
	return fl_instance_flush(s->in, &pos, 1, s->err) < 0 ? -1 : stage_outcome(s, 0);
}

static void test_values_one_a_line(void **arg)
{
	struct stage s;
	const char *out;
	(void)arg;
	make(&s, "value", &fl_codec_json);
	redirect();
	int first = put(&s, "k", "{\"a\": 1}"), second = put(&s, NULL, "{\"a\":\n [1,\n2]}"), third = put(&s, "k", NULL);
	out = printed();
	restore();
	assert_int_equal(first | second | third, FL_PASS);
	assert_string_equal(out, "{\"a\": 1}\n{\"a\":  [1, 2]}\n\n");
	stage_end(&s);
}

static void test_meta_says_where_from(void **arg)
{
	struct stage s;
	const char *out;
	(void)arg;
	make(&s, "meta", &fl_codec_json);
	redirect();
	put(&s, "a\"\n\x01", "{\"a\":\n1}");
	put(&s, NULL, "{}");
	put(&s, NULL, NULL);
	out = printed();
	restore();
	assert_string_equal(out,
		"{\"stream\":\"in\",\"partition\":2,\"offset\":7,\"time\":1715479897.1,\"key\":\"a\\\"\\n\\u0001\",\"value\":{\"a\": 1}}\n"
		"{\"stream\":\"in\",\"partition\":2,\"offset\":7,\"time\":1715479897.1,\"key\":null,\"value\":{}}\n"
		"{\"stream\":\"in\",\"partition\":2,\"offset\":7,\"time\":1715479897.1,\"key\":null,\"value\":null}\n");
	stage_end(&s);
}

static void test_texts_are_strings_in_meta(void **arg)
{
	struct stage s;
	const char *out;
	(void)arg;
	make(&s, "meta", &fl_codec_text);
	redirect();
	put(&s, NULL, "{\"a\":1} and \\ more");
	out = printed();
	restore();
	assert_non_null(strstr(out, "\"value\":\"{\\\"a\\\":1} and \\\\ more\"}\n"));
	stage_end(&s);
}

/* Writes until the pipe is full, reads a bit, and so on: nothing is lost, doubled or torn. */
static void test_a_slow_reader_is_waited_for(void **arg)
{
	struct stage s;
	struct fl_buf want = {0}, got = {0};
	int retries = 0, failed = 0;
	(void)arg;
	make(&s, "value", &fl_codec_json);
	redirect();
	for (int k = 0; k < 4000 && !failed; ) {
		char json[200];
		snprintf(json, sizeof json, "{\"n\":%d,\"pad\":\"%0*d\"}", k, k % 150, k);
		stage_begin(&s, "in", 0);
		stage_add(&s, k, 0, NULL, json);
		stage_decode(&s);
		failed = fl_instance_write(s.in, s.ev, s.err) < 0;
		if (stage_outcome(&s, 0) == FL_PASS) {
			fl_buf_printf(&want, "%s\n", json);
			k++;
			continue;
		}
		retries++;
		const char *p = printed();
		fl_buf_add(&got, p, strlen(p));
	}
	for (int k = 0; k < 100; k++) {
		struct fl_position pos = {"in", 0, 4000};
		stage_begin(&s, "in", 0);
		fl_instance_write(s.in, s.ev, s.err);
		const char *p = printed();
		fl_buf_add(&got, p, strlen(p));
		if (got.len == want.len) {
			failed |= fl_instance_flush(s.in, &pos, 1, s.err) < 0;
			break;
		}
	}
	restore();
	assert_false(failed);
	assert_true(retries > 2);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.p, want.p, want.len);
	fl_buf_free(&want);
	fl_buf_free(&got);
	stage_end(&s);
}

static void test_a_reader_that_never_reads_fails_the_flush_and_lines_stay_whole(void **arg)
{
	struct stage s;
	struct fl_position pos = {"in", 0, 1};
	struct fl_buf got = {0};
	int rc = 0;
	(void)arg;
	make(&s, "value", &fl_codec_json);
	redirect();
	for (int k = 0; k < 3000; k++) {
		stage_begin(&s, "in", 0);
		stage_add(&s, k, 0, NULL, "{\"n\":\"123456789012345678901234567890123456789\"}");
		stage_decode(&s);
		rc |= fl_instance_write(s.in, s.ev, s.err);
	}
	int flushed = fl_instance_flush(s.in, &pos, 1, s.err), said = strstr(s.err, "nobody has read") != NULL;
	stage_shut(&s);
	stage_must_open(&s);
	for (int k = 0; k < 3; k++) {
		const char *p = printed();
		fl_buf_add(&got, p, strlen(p));
		rc |= put(&s, NULL, "{\"again\":1}");
	}
	const char *p = printed();
	fl_buf_add(&got, p, strlen(p) + 1);
	restore();
	assert_int_equal(rc, 0);
	assert_int_equal(flushed, -1);
	assert_true(said);
	for (char *line = strtok(got.p, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) == 47 || strcmp(line, "{\"again\":1}") == 0);
	fl_buf_free(&got);
	stage_end(&s);
}

static void test_a_reader_that_is_gone_is_an_error(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s, "value", &fl_codec_json);
	signal(SIGPIPE, SIG_IGN);
	redirect();
	close(ends[0]);
	ends[0] = -1;
	int rc = put(&s, NULL, "{}");
	restore();
	assert_int_equal(rc, -1);
	assert_non_null(strstr(s.err, "stdout"));
	stage_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_one_a_line),
		cmocka_unit_test(test_meta_says_where_from),
		cmocka_unit_test(test_texts_are_strings_in_meta),
		cmocka_unit_test(test_a_slow_reader_is_waited_for),
		cmocka_unit_test(test_a_reader_that_never_reads_fails_the_flush_and_lines_stay_whole),
		cmocka_unit_test(test_a_reader_that_is_gone_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
