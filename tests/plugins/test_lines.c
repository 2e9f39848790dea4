/* plugins/lines.c: every line once and as it is, over restarts, growth, rotation, long lines and pipes. */
#include "stage.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[128];

static void make(struct stage *s)
{
	stage_new(s, "lines", &fl_codec_bytes);
	stage_text(s, "file", "in.jsonl");
	snprintf(path, sizeof path, "%s/in.jsonl", s->dir);
}

static void append_bytes(const char *mode, const char *p, size_t n)
{
	FILE *f = fopen(path, mode);
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	fclose(f);
}

static void write_file(const char *text) { append_bytes("w", text, strlen(text)); }
static void append(const char *text) { append_bytes("a", text, strlen(text)); }

/* What one read() gives: lines between brackets, and its result. */
static const char *reads(struct stage *s, uint32_t want)
{
	static char out[4096];
	double wait = -1;
	size_t n = 0;
	stage_begin(s, "in", 0);
	int rc = fl_instance_read(s->in, s->ev, want, &wait, s->err);
	for (uint32_t k = 0; k < s->ev->emits; k++)
		n += (size_t)snprintf(out + n, sizeof out - n, "[%.*s]", (int)s->ev->emitted[k].value.len, s->ev->emitted[k].value.p);
	snprintf(out + n, sizeof out - n, "%d", rc);
	if (rc >= 0)
		assert_int_equal(rc, s->ev->emits);
	return out;
}

static void test_a_line_a_record_and_then_the_end(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	write_file("{\"a\":1}\n\n x\r\n\xff\xfe\nlast");
	stage_must_open(&s);
	assert_string_equal(reads(&s, 100), "[{\"a\":1}][][ x\r][\xff\xfe][last]5");
	assert_string_equal(reads(&s, 100), "-2");
	assert_string_equal(reads(&s, 100), "-2");
	stage_end(&s);
}

static void test_an_empty_file_ends_at_once(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	write_file("");
	stage_must_open(&s);
	assert_string_equal(reads(&s, 100), "-2");
	stage_end(&s);
}

static void test_a_restart_goes_on_exactly(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	write_file("1\n2\n3\n4\n5\n");
	stage_must_open(&s);
	assert_string_equal(reads(&s, 2), "[1][2]2");
	stage_shut(&s);
	stage_must_open(&s);
	assert_string_equal(reads(&s, 2), "[3][4]2");
	stage_shut(&s);
	append("6\n");
	stage_must_open(&s);
	assert_string_equal(reads(&s, 9), "[5][6]2");
	stage_shut(&s);
	stage_must_open(&s);
	assert_string_equal(reads(&s, 9), "-2");
	stage_end(&s);
}

static void test_it_goes_back_with_the_hosts_state(void **arg)
{
	struct stage s;
	char kept[100];
	uint32_t len;
	(void)arg;
	make(&s);
	write_file("1\n2\n3\n4\n");
	stage_must_open(&s);
	assert_string_equal(reads(&s, 1), "[1]1");
	struct fl_store *store = fl_state_store(s.state, "flow.lines", 0, s.err);
	struct fl_str key = fl_str("place");
	const void *p = fl_store_get(store, key, fl_key_hash(key), &len);
	assert_true(p && len <= sizeof kept);
	memcpy(kept, p, len);
	assert_string_equal(reads(&s, 2), "[2][3]2");
	fl_store_put(store, key, fl_key_hash(key), kept, len); /* a commit failed: the host is where it was */
	assert_string_equal(reads(&s, 9), "[2][3][4]3");
	stage_end(&s);
}

static void test_following_waits_for_more(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_bool(&s, "follow", 1);
	write_file("1\nha");
	stage_must_open(&s);
	assert_string_equal(reads(&s, 9), "[1]1");
	assert_string_equal(reads(&s, 9), "0");
	append("lf\n2");
	assert_string_equal(reads(&s, 9), "[half]1");
	stage_shut(&s);
	stage_must_open(&s); /* the unfinished line is no record yet */
	assert_string_equal(reads(&s, 9), "0");
	append("\n");
	assert_string_equal(reads(&s, 9), "[2]1");
	stage_end(&s);
}

static void test_another_file_is_read_from_its_start(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	write_file("old 1\nold 2\n");
	stage_must_open(&s);
	assert_string_equal(reads(&s, 9), "[old 1][old 2]2");
	stage_shut(&s);
	write_file("new 1\nnew 2\nnew 3\n"); /* longer, but it begins otherwise */
	stage_must_open(&s);
	assert_string_equal(reads(&s, 9), "[new 1][new 2][new 3]3");
	stage_shut(&s);
	write_file("new\n"); /* shorter */
	stage_must_open(&s);
	assert_string_equal(reads(&s, 9), "[new]1");
	stage_end(&s);
}

static void test_following_goes_on_in_the_next_file(void **arg)
{
	struct stage s;
	char other[160];
	(void)arg;
	make(&s);
	stage_bool(&s, "follow", 1);
	write_file("1\n");
	stage_must_open(&s);
	assert_string_equal(reads(&s, 9), "[1]1");
	snprintf(other, sizeof other, "%s.1", path);
	assert_int_equal(rename(path, other), 0);
	write_file("3\n");
	FILE *f = fopen(other, "a"); /* its writer has not noticed yet */
	fputs("2\nunfinished", f);
	fclose(f);
	assert_string_equal(reads(&s, 9), "[2]1");
	const char *got = "";
	for (int k = 0; k < 100 && strcmp(got = reads(&s, 9), "0") == 0; k++)
		;
	assert_string_equal(got, "[unfinished]1");
	for (int k = 0; k < 100 && strcmp(got = reads(&s, 9), "0") == 0; k++)
		;
	assert_string_equal(got, "[3]1");
	stage_end(&s);
}

static void test_following_sees_a_file_cut_off(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_bool(&s, "follow", 1);
	write_file("1\n2\n3\n");
	stage_must_open(&s);
	assert_string_equal(reads(&s, 9), "[1][2][3]3");
	write_file("4\n"); /* the same file, from its start */
	assert_string_equal(reads(&s, 9), "0");
	assert_string_equal(reads(&s, 9), "[4]1");
	stage_end(&s);
}

static void test_long_lines_are_cut_with_a_byte_too_many(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_number(&s, "most", 4);
	write_file("1234\n123456789\nx\n12345\ny\n12345678");
	stage_must_open(&s);
	assert_string_equal(reads(&s, 2), "[1234][12345]2");
	stage_shut(&s); /* the rest of the line is left out after a restart too */
	stage_must_open(&s);
	assert_string_equal(reads(&s, 9), "[x][12345][y][12345]4");
	assert_string_equal(reads(&s, 9), "-2");
	stage_end(&s);
}

static void test_a_line_longer_than_any_buffer(void **arg)
{
	struct stage s;
	const size_t n = 5u << 20;
	char *big = malloc(n);
	(void)arg;
	make(&s);
	memset(big, 'a', n);
	big[n - 3] = '\n';
	big[n - 2] = 'z';
	big[n - 1] = '\n';
	append_bytes("w", big, n);
	stage_must_open(&s);
	double wait;
	stage_begin(&s, "in", 0);
	assert_int_equal(fl_instance_read(s.in, s.ev, 9, &wait, s.err), 2);
	assert_int_equal(s.ev->emitted[0].value.len, (1u << 20) + 1);
	assert_int_equal(s.ev->emitted[1].value.len, 1);
	free(big);
	stage_end(&s);
}

static void test_random_files_in_random_bites(void **arg)
{
	(void)arg;
	for (int round = 0; round < 20; round++) {
		struct stage s;
		struct fl_buf want = {0}, got = {0};
		make(&s);
		for (int k = 0; k < 4000; k++) {
			uint32_t n = stage_random(40) ? stage_random(60) : stage_random(200000);
			memset(fl_buf_room(&want, n), 'a' + k % 26, n);
			want.len += n;
			fl_buf_byte(&want, '\n');
			if (want.len > 3000000)
				break;
		}
		append_bytes("w", want.p, want.len);
		stage_must_open(&s);
		for (int rc = 0; rc >= 0; ) {
			double wait;
			stage_begin(&s, "in", 0);
			rc = fl_instance_read(s.in, s.ev, 1 + stage_random(300), &wait, s.err);
			for (uint32_t k = 0; k < s.ev->emits; k++) {
				fl_buf_add(&got, s.ev->emitted[k].value.p, s.ev->emitted[k].value.len);
				fl_buf_byte(&got, '\n');
			}
			if (stage_random(10) == 0) {
				stage_shut(&s);
				stage_must_open(&s);
			}
		}
		assert_int_equal(got.len, want.len);
		assert_memory_equal(got.p, want.p, want.len);
		fl_buf_free(&want);
		fl_buf_free(&got);
		stage_end(&s);
	}
}

static void test_files_that_cant_be_read_are_an_error(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	assert_int_equal(stage_open(&s), -1);
	assert_non_null(strstr(s.err, "No such file"));
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(stage_open(&s), -1);
	assert_non_null(strstr(s.err, "is a directory"));
	stage_end(&s);
}

static void test_stdin_gives_what_is_there(void **arg)
{
	struct stage s;
	int ends[2], was = dup(0);
	(void)arg;
	stage_new(&s, "lines", &fl_codec_bytes);
	stage_text(&s, "file", "-");
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[0], 0), 0);
	stage_must_open(&s);
	assert_string_equal(reads(&s, 9), "0");
	assert_int_equal(write(ends[1], "1\n2\nun", 6), 6);
	assert_string_equal(reads(&s, 9), "[1][2]2");
	assert_string_equal(reads(&s, 9), "0");
	assert_int_equal(write(ends[1], "til\n3", 5), 5);
	assert_string_equal(reads(&s, 9), "[until]1");
	close(ends[1]);
	close(ends[0]);
	assert_string_equal(reads(&s, 9), "[3]1");
	assert_string_equal(reads(&s, 9), "-2");
	dup2(was, 0);
	close(was);
	stage_end(&s);
}

static void test_stdin_cant_be_followed(void **arg)
{
	struct stage s;
	(void)arg;
	stage_new(&s, "lines", &fl_codec_bytes);
	stage_text(&s, "file", "-");
	stage_bool(&s, "follow", 1);
	assert_int_equal(stage_open(&s), -1);
	assert_non_null(strstr(s.err, "follow"));
	stage_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_a_record_and_then_the_end),
		cmocka_unit_test(test_an_empty_file_ends_at_once),
		cmocka_unit_test(test_a_restart_goes_on_exactly),
		cmocka_unit_test(test_it_goes_back_with_the_hosts_state),
		cmocka_unit_test(test_following_waits_for_more),
		cmocka_unit_test(test_another_file_is_read_from_its_start),
		cmocka_unit_test(test_following_goes_on_in_the_next_file),
		cmocka_unit_test(test_following_sees_a_file_cut_off),
		cmocka_unit_test(test_long_lines_are_cut_with_a_byte_too_many),
		cmocka_unit_test(test_a_line_longer_than_any_buffer),
		cmocka_unit_test(test_random_files_in_random_bites),
		cmocka_unit_test(test_files_that_cant_be_read_are_an_error),
		cmocka_unit_test(test_stdin_gives_what_is_there),
		cmocka_unit_test(test_stdin_cant_be_followed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
