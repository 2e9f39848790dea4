/* plugins/sqlite.c: values, columns, refusals, a locked and a full file, and kill -9 between any two steps. */
#include "stage.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static sqlite3 *db;

static void make(struct stage *s)
{
	stage_new(s, "sqlite", &fl_codec_json);
	stage_text(s, "file", "test.db");
	stage_text(s, "table", "rows");
}

static sqlite3 *look(struct stage *s)
{
	char path[128];
	snprintf(path, sizeof path, "%s/test.db", s->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	return db;
}

static void sql(struct stage *s, const char *text)
{
	char *why = NULL;
	if (sqlite3_exec(look(s), text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	sqlite3_close(db);
}

/* All rows of a query, columns by |, rows by ; : each value as its type's first letter and its text. */
static const char *ask(struct stage *s, const char *text)
{
	static char out[4096];
	sqlite3_stmt *st;
	int rc;
	size_t n = 0;
	out[0] = 0;
	if (sqlite3_prepare_v2(look(s), text, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		n += (size_t)snprintf(out + n, sizeof out - n, n ? ";" : "");
		for (int k = 0; k < sqlite3_column_count(st); k++) {
			const char letter = " irtbn"[sqlite3_column_type(st, k)];
			const char *v = (const char *)sqlite3_column_text(st, k);
			n += (size_t)snprintf(out + n, sizeof out - n, "%s%c%s", k ? "|" : "", letter, v ? v : "");
		}
	}
	assert_int_equal(rc, SQLITE_DONE);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return out;
}

static void flush(struct stage *s, int64_t next)
{
	struct fl_position pos = {"in", 0, next};
	if (fl_instance_flush(s->in, &pos, 1, s->err) < 0)
		fail_msg("%s", s->err);
}

static int64_t position(struct stage *s)
{
	struct fl_position pos = {"in", 0, -1};
	if (fl_instance_position(s->in, &pos, s->err) < 0)
		fail_msg("%s", s->err);
	return pos.next;
}

/* One event in; what became of it. */
static int put(struct stage *s, const char *json)
{
	static int64_t offset;
	stage_begin(s, "in", 0);
	stage_add(s, offset++, 0, "k", json);
	stage_decode(s);
	if (fl_instance_write(s->in, s->ev, s->err) < 0)
		return -1;
	return stage_outcome(s, 0);
}

static void test_values_stay_what_they_are(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	assert_int_equal(put(&s, "{\"i\":9223372036854775807,\"j\":-9223372036854775808,\"u\":18446744073709551615,\"r\":0.1,"
	                         "\"w\":3.0,\"s\":\"007\",\"e\":\"\",\"q\":\"a\\\"\\u00e4\\n\",\"t\":true,\"f\":false,\"n\":null,"
	                         "\"o\":{\"b\":[1, 2.50]},\"l\":[],\"big\":9007199254740993}"), FL_PASS);
	assert_int_equal(put(&s, "{\"i\":\"1\",\"s\":7,\"r\":1e300}"), FL_PASS); /* other types in the same columns */
	assert_int_equal(put(&s, "{\"i\":1e400}"), FL_PASS);
	flush(&s, 3);
	assert_string_equal(ask(&s, "SELECT i, j, u, r, w, s, e, q, t, f, n, o, l, big FROM rows WHERE rowid = 1"),
		"i9223372036854775807|i-9223372036854775808|t18446744073709551615|r0.1|i3|t007|t|ta\"\xc3\xa4\n|i1|i0|n|"
		"t{\"b\":[1, 2.50]}|t[]|i9007199254740993");
	assert_string_equal(ask(&s, "SELECT i, s, r, u FROM rows WHERE rowid = 2"), "t1|i7|r1.0e+300|n");
	assert_string_equal(ask(&s, "SELECT i FROM rows WHERE rowid = 3"), "t1e400");
	stage_end(&s);
}

static void test_doubles_are_exact(void **arg)
{
	static const char *const texts[] = {"0.30000000000000004", "5e-324", "1.7976931348623157e308", "21.020602000000001", "-0.1", "2.5e-7"};
	struct stage s;
	sqlite3_stmt *st;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
		char json[80];
		snprintf(json, sizeof json, "{\"v\":%s}", texts[k]);
		assert_int_equal(put(&s, json), FL_PASS);
	}
	flush(&s, 6);
	assert_int_equal(sqlite3_prepare_v2(look(&s), "SELECT v FROM rows ORDER BY rowid", -1, &st, NULL), SQLITE_OK);
	for (size_t k = 0; sqlite3_step(st) == SQLITE_ROW; k++)
		assert_true(sqlite3_column_double(st, 0) == strtod(texts[k], NULL));
	sqlite3_finalize(st);
	sqlite3_close(db);
	stage_end(&s);
}

static void test_fields_that_come_later_become_columns(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	assert_int_equal(put(&s, "{\"a\":1,\"b\":2}"), FL_PASS);
	assert_int_equal(put(&s, "{\"b\":4,\"c \\\" d\":5,\"a\":3}"), FL_PASS);
	assert_int_equal(put(&s, "{}"), FL_PASS);
	assert_int_equal(put(&s, "{\"a\":6,\"a\":7}"), FL_PASS); /* of a doubled name the last counts */
	flush(&s, 4);
	assert_string_equal(ask(&s, "SELECT a, b, \"c \"\" d\" FROM rows ORDER BY rowid"), "i1|i2|n;i3|i4|i5;n|n|n;i7|n|n");
	stage_shut(&s);
	stage_must_open(&s); /* the table is there by now, and has a column more */
	sql(&s, "ALTER TABLE rows ADD COLUMN more DEFAULT 9");
	assert_int_equal(put(&s, "{\"b\":1,\"d\":2}"), FL_PASS);
	flush(&s, 5);
	assert_string_equal(ask(&s, "SELECT a, b, d, more FROM rows WHERE rowid = 5"), "n|i1|i2|i9");
	stage_end(&s);
}

static void test_what_makes_no_row_is_rejected(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	assert_int_equal(put(&s, "{}"), FL_REJECT);
	assert_non_null(strstr(stage_reason(&s, 0), "no fields"));
	assert_int_equal(put(&s, "{\"a\":1,\"A\":2}"), FL_REJECT);
	assert_non_null(strstr(stage_reason(&s, 0), "capital letters"));
	assert_int_equal(put(&s, "{\"a\":1}"), FL_PASS);
	assert_int_equal(put(&s, "{\"A\":1}"), FL_REJECT);
	assert_int_equal(put(&s, "{\"x\\u0000y\":1}"), FL_REJECT);
	assert_non_null(strstr(stage_reason(&s, 0), "zero byte"));
	assert_int_equal(put(&s, NULL), FL_REJECT);
	assert_non_null(strstr(stage_reason(&s, 0), "tombstone"));
	assert_int_equal(put(&s, "{\"a\":2}"), FL_PASS);
	flush(&s, 7);
	assert_string_equal(ask(&s, "SELECT * FROM rows ORDER BY rowid"), "i1;i2");
	stage_end(&s);
}

static void test_too_many_columns_are_the_rows_fault(void **arg)
{
	struct stage s;
	struct fl_buf b = {0};
	(void)arg;
	make(&s);
	stage_must_open(&s);
	assert_int_equal(put(&s, "{\"a\":1}"), FL_PASS);
	for (int k = 0; k < 2100; k++)
		fl_buf_printf(&b, "%s\"f%d\":%d", k ? "," : "{", k, k);
	fl_buf_add(&b, "}", 2);
	assert_int_equal(put(&s, b.p), FL_REJECT);
	assert_non_null(strstr(stage_reason(&s, 0), "too many columns"));
	assert_int_equal(put(&s, "{\"a\":2}"), FL_PASS);
	flush(&s, 3);
	assert_string_equal(ask(&s, "SELECT a FROM rows ORDER BY rowid"), "i1;i2");
	fl_buf_free(&b);
	stage_end(&s);
}

static void test_refused_rows_leave_their_neighbours(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	sql(&s, "CREATE TABLE rows (id INTEGER PRIMARY KEY, v REAL CHECK (v < 100), j TEXT CHECK (json_extract(j, '$.a') > 0))");
	stage_must_open(&s);
	stage_begin(&s, "in", 0);
	stage_add(&s, 0, 0, NULL, "{\"id\":1,\"v\":1}");
	stage_add(&s, 1, 0, NULL, "{\"id\":1,\"v\":2}");
	stage_add(&s, 2, 0, NULL, "{\"id\":2,\"v\":200}");
	stage_add(&s, 3, 0, NULL, "{\"id\":\"x\",\"v\":3}");
	stage_add(&s, 4, 0, NULL, "{\"id\":3,\"j\":\"no json\"}");
	stage_add(&s, 5, 0, NULL, "{\"id\":4,\"v\":4}");
	stage_decode(&s);
	assert_int_equal(fl_instance_write(s.in, s.ev, s.err), 0);
	flush(&s, 6);
	static const char *const words[] = {NULL, "UNIQUE constraint failed", "CHECK constraint failed", "datatype mismatch", "malformed JSON", NULL};
	for (uint32_t i = 0; i < 6; i++) {
		assert_int_equal(stage_outcome(&s, i), words[i] ? FL_REJECT : FL_PASS);
		if (words[i] && !strstr(stage_reason(&s, i), words[i]))
			fail_msg("\"%s\" does not say \"%s\"", stage_reason(&s, i), words[i]);
	}
	assert_string_equal(ask(&s, "SELECT id, v FROM rows"), "i1|r1.0;i4|r4.0");
	assert_int_equal(position(&s), 6);
	stage_end(&s);
}

static void test_a_column_map_names_the_columns(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_map(&s, "columns", "yacht_id", "id", NULL);
	stage_map(&s, "columns", "at", "timestamp", "time");
	stage_must_open(&s);
	assert_int_equal(put(&s, "{\"id\":3,\"timestamp\":1715479897.25,\"unread\":1}"), FL_PASS);
	assert_int_equal(put(&s, "{\"timestamp\":\"as it is\"}"), FL_PASS);
	assert_int_equal(put(&s, "{\"timestamp\":-0.5,\"id\":18446744073709551615}"), FL_PASS);
	assert_int_equal(put(&s, "{\"timestamp\":1e40}"), FL_PASS);
	flush(&s, 4);
	assert_string_equal(ask(&s, "SELECT yacht_id, at FROM rows ORDER BY rowid"),
		"i3|t2024-05-12T02:11:37.250000Z;n|tas it is;t18446744073709551615|t1969-12-31T23:59:59.500000Z;n|r1.0e+40");
	assert_string_equal(ask(&s, "SELECT count(*) FROM pragma_table_info('rows')"), "i2");
	stage_end(&s);
}

static void test_a_map_fits_a_table_that_is_there(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	sql(&s, "CREATE TABLE rows (reading_id INTEGER PRIMARY KEY AUTOINCREMENT, yacht_id INT, note TEXT DEFAULT 'none')");
	stage_map(&s, "columns", "yacht_id", "id", NULL);
	stage_must_open(&s);
	assert_int_equal(put(&s, "{\"id\":7}"), FL_PASS);
	flush(&s, 1);
	assert_string_equal(ask(&s, "SELECT * FROM rows"), "i1|i7|tnone");
	stage_end(&s);
}

static void test_senseless_options_are_refused(void **arg)
{
	struct stage s;
	(void)arg;
	stage_new(&s, "sqlite", &fl_codec_json);
	stage_text(&s, "file", "nowhere/test.db");
	stage_text(&s, "table", "rows");
	assert_int_equal(stage_open(&s), -1);
	assert_non_null(strstr(s.err, "nowhere/test.db"));
	stage_end(&s);
	stage_new(&s, "sqlite", &fl_codec_json);
	stage_text(&s, "file", "test.db");
	stage_text(&s, "table", "sqlite_rows");
	assert_int_equal(stage_open(&s), -1);
	assert_non_null(strstr(s.err, "another name"));
	stage_end(&s);
	make(&s);
	stage_map(&s, "columns", "a", "b", "thyme");
	assert_int_equal(stage_open(&s), -1);
	stage_end(&s);
}

static void test_rows_are_in_only_with_their_position(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	assert_int_equal(position(&s), -1);
	put(&s, "{\"a\":1}");
	stage_shut(&s); /* not flushed */
	stage_must_open(&s);
	assert_int_equal(position(&s), -1);
	assert_string_equal(ask(&s, "SELECT count(*) FROM sqlite_master WHERE name = 'rows'"), "i0");
	put(&s, "{\"a\":2}");
	flush(&s, 11);
	put(&s, "{\"a\":3}");
	stage_shut(&s);
	stage_must_open(&s);
	assert_int_equal(position(&s), 11);
	assert_string_equal(ask(&s, "SELECT * FROM rows"), "i2");
	assert_string_equal(ask(&s, "SELECT stream, partition, next FROM fairlead_positions"), "tin|i0|i11");
	flush(&s, 12); /* nothing but dropped records since */
	assert_int_equal(position(&s), 12);
	stage_end(&s);
}

static void test_tables_of_one_file_have_their_own_positions(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	put(&s, "{\"a\":1}");
	flush(&s, 5);
	stage_shut(&s);
	struct fl_value *table = (struct fl_value *)fl_value_get(&s.opts, "table");
	free(table->text);
	table->text = strdup("others");
	stage_must_open(&s);
	assert_int_equal(position(&s), -1);
	put(&s, "{\"a\":2}");
	flush(&s, 3);
	assert_int_equal(position(&s), 3);
	assert_string_equal(ask(&s, "SELECT into_table, next FROM fairlead_positions"), "tothers|i3;trows|i5");
	stage_end(&s);
}

static void test_a_locked_file_is_retried(void **arg)
{
	struct stage s;
	char path[128];
	sqlite3 *other;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	put(&s, "{\"a\":1}");
	flush(&s, 1);
	snprintf(path, sizeof path, "%s/test.db", s.dir);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(put(&s, "{\"a\":2}"), FL_RETRY);
	assert_int_equal(position(&s), 1); /* reading goes on */
	sqlite3_close(other);
	assert_int_equal(put(&s, "{\"a\":2}"), FL_PASS);
	flush(&s, 2);
	assert_string_equal(ask(&s, "SELECT * FROM rows"), "i1;i2");
	stage_end(&s);
}

static void test_a_dropped_table_is_nobodys_fault(void **arg)
{
	struct stage s;
	(void)arg;
	make(&s);
	stage_must_open(&s);
	put(&s, "{\"a\":1}");
	flush(&s, 1);
	sql(&s, "DROP TABLE rows");
	assert_int_equal(put(&s, "{\"a\":2}"), -1);
	assert_non_null(strstr(s.err, "no such table"));
	assert_int_equal(put(&s, "{\"a\":2}"), FL_PASS); /* made anew after the failure */
	flush(&s, 2);
	assert_string_equal(ask(&s, "SELECT * FROM rows"), "i2");
	stage_end(&s);
}

static void test_a_file_that_is_no_database_is_an_error(void **arg)
{
	struct stage s;
	char path[128];
	struct fl_position pos = {"in", 0, -1};
	(void)arg;
	make(&s);
	snprintf(path, sizeof path, "%s/test.db", s.dir);
	FILE *f = fopen(path, "w");
	for (int k = 0; k < 1000; k++)
		fputs("this is no database\n", f);
	fclose(f);
	stage_must_open(&s);
	assert_int_equal(fl_instance_position(s.in, &pos, s.err), -1);
	assert_non_null(strstr(s.err, "not a database"));
	assert_int_equal(put(&s, "{\"a\":2}"), -1);
	stage_end(&s);
}

/* ---- exactly once ---- */

static char *record(int64_t k)
{
	static char json[300];
	snprintf(json, sizeof json, "{\"n\":%lld,\"%s\":%lld,\"pad\":\"%0200d\"}", (long long)k, k % 3 ? "a" : "b", (long long)k * 3, (int)(k % 7));
	return json;
}

static int write_from(struct stage *s, int64_t from, int n)
{
	stage_begin(s, "in", 0);
	for (int k = 0; k < n; k++)
		stage_add(s, from + k, 0, NULL, record(from + k));
	stage_decode(s);
	return fl_instance_write(s->in, s->ev, s->err);
}

static void check_rows(struct stage *s, int64_t n)
{
	char want[100];
	snprintf(want, sizeof want, "i%lld|i%lld|i0", (long long)n, (long long)n);
	assert_string_equal(ask(s, "SELECT count(*), count(DISTINCT n), sum(n <> rowid - 1 OR coalesce(a, b) <> 3 * n) FROM rows"), want);
}

/* Writes and flushes until it kills itself, at the step that is asked for, or is killed. */
static void live(struct stage *s, int steps, int64_t end)
{
	if (stage_open(s) < 0)
		_exit(2);
	int64_t next = position(s);
	for (next = next < 0 ? 0 : next; next < end; ) {
		for (int k = 0; k < 3 && next < end; k++, next += 20) {
			if (write_from(s, next, 20) < 0)
				_exit(3);
			if (--steps == 0)
				raise(SIGKILL);
		}
		flush(s, next);
		if (--steps == 0)
			raise(SIGKILL);
	}
	_exit(0);
}

static void test_kill_at_every_step(void **arg)
{
	struct stage s;
	int kills = 0, status;
	const int64_t end = 20 * 400;
	(void)arg;
	make(&s);
	for (int life = 0; life < 500; life++) {
		pid_t pid = fork();
		if (pid == 0)
			live(&s, life < 60 ? 1 + (int)stage_random(1 + (uint32_t)life % 9) : -1, end);
		if (life >= 60 && life < 100) {
			usleep(stage_random(4000));
			kill(pid, SIGKILL);
		}
		stage_random(7); /* the child's draws are its own */
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
		kills += WIFSIGNALED(status);
		if (!WIFSIGNALED(status) && life >= 100)
			break;
	}
	assert_true(kills >= 60);
	stage_must_open(&s);
	assert_int_equal(position(&s), end);
	check_rows(&s, end);
	stage_end(&s);
}

static void test_a_full_disk_loses_and_doubles_nothing(void **arg)
{
	struct stage s;
	struct rlimit was, tight;
	int64_t next = 0;
	int failures = 0;
	(void)arg;
	make(&s);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	stage_must_open(&s);
	while (next < 20 * 300) {
		tight = was;
		tight.rlim_cur = failures < 20 ? 60000 + 10000 * (rlim_t)failures : was.rlim_cur;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
		struct fl_position pos = {"in", 0, next};
		int rc = 0;
		for (int k = 0; k < 40 && rc == 0; k++, pos.next += 20)
			rc = write_from(&s, pos.next, 20);
		if (rc == 0)
			rc = fl_instance_flush(s.in, &pos, 1, s.err);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		if (rc == 0) {
			next = pos.next;
			continue;
		}
		failures++;
		stage_shut(&s); /* as the host does */
		stage_must_open(&s);
		next = position(&s) < 0 ? 0 : position(&s);
	}
	assert_true(failures > 2);
	check_rows(&s, next);
	stage_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_stay_what_they_are),
		cmocka_unit_test(test_doubles_are_exact),
		cmocka_unit_test(test_fields_that_come_later_become_columns),
		cmocka_unit_test(test_what_makes_no_row_is_rejected),
		cmocka_unit_test(test_too_many_columns_are_the_rows_fault),
		cmocka_unit_test(test_refused_rows_leave_their_neighbours),
		cmocka_unit_test(test_a_column_map_names_the_columns),
		cmocka_unit_test(test_a_map_fits_a_table_that_is_there),
		cmocka_unit_test(test_senseless_options_are_refused),
		cmocka_unit_test(test_rows_are_in_only_with_their_position),
		cmocka_unit_test(test_tables_of_one_file_have_their_own_positions),
		cmocka_unit_test(test_a_locked_file_is_retried),
		cmocka_unit_test(test_a_dropped_table_is_nobodys_fault),
		cmocka_unit_test(test_a_file_that_is_no_database_is_an_error),
		cmocka_unit_test(test_kill_at_every_step),
		cmocka_unit_test(test_a_full_disk_loses_and_doubles_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
