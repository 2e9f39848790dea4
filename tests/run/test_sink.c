/* run/sink.c against tests/plugin/fixtures/ledger.c: exactly once through failures, kills, stops and reloads. */
#include <signal.h>
#include <sys/wait.h>

#include "app_helper.h"
#include "run/sink.h"

static int setup(void **state)
{
	if (world_setup(state))
		return -1;
	struct world *w = *state;
	char path[160];
	fl_plugin_dirs((const char *const[]){BUILD "/tests/plugin/fixtures", BUILD "/plugins"}, 2);
	mkdir(w->data, 0777);
	snprintf(path, sizeof path, "%s/t", w->data);
	mkdir(path, 0777);
	return 0;
}

#define HEAD "app \"t\"\nlocal raw = stream \"raw\" {}\nsource \"in\" { plugin \"lines\" { file = \"in.jsonl\" }, to = raw }\n"
static const char CONF[] = HEAD "sink \"s\" { from = raw, plugin \"ledger\" {} }\n";
static const char HOSTS[] = HEAD "sink \"s\" { from = raw, plugin \"ledger\" { own = false } }\n";

static const char IN[] = "{\"a\":0}\n{\"a\":1}\n{\"a\":2}\n{\"a\":\"bad\"}\n{\"a\":4}\n{\"a\":5}\n";
static const char OUT[] = "{\"a\":0}\n{\"a\":1}\n{\"a\":2}\n{\"a\":4}\n{\"a\":5}\n";

static void tell(struct world *w, const char *word)
{
	char path[160];
	snprintf(path, sizeof path, "%s/t/do", w->data);
	if (word)
		put(w, "var/t/do", word);
	else
		unlink(path);
}

/* The rows behind the positions; "" where there is no file. To be freed. */
static char *rows(struct world *w)
{
	char path[160];
	struct fl_buf b = {0};
	snprintf(path, sizeof path, "%s/t/ledger", w->data);
	FILE *f = fopen(path, "r");
	char line[4096];
	for (int k = 0; f && fgets(line, sizeof line, f); k++)
		if (k >= 8)
			fl_buf_add(&b, line, strlen(line));
	if (f)
		fclose(f);
	fl_buf_byte(&b, 0);
	return b.p;
}

static void expect_rows(struct world *w, const char *expected)
{
	char *got = rows(w);
	assert_string_equal(got, expected);
	free(got);
}

static void fails_until_told_better(struct world *w, const char *word)
{
	put(w, "var/t/in.jsonl", IN);
	tell(w, word);
	start(w, CONF, 1);
	usleep(700000); /* some tries */
	tell(w, NULL);
	until_idle(w);
	char *got = rows(w);
	for (const char *p = "012"; *p; p++) {
		char row[16];
		snprintf(row, sizeof row, "{\"a\":%c}", *p);
		char *once = strstr(got, row);
		assert_non_null(once);
		assert_null(strstr(once + 1, row));
	}
	assert_int_equal(strlen(got), strlen(OUT));
	free(got);
	expect_values(w, "t-dlq", 0, "{\"a\":\"bad\"}\n");
}

static void writes_again_what_wants_to_be_tried_again(void **state) { fails_until_told_better(*state, "retry"); }
static void survives_failed_writes(void **state) { fails_until_told_better(*state, "fail_write"); }
static void survives_failed_flushes(void **state) { fails_until_told_better(*state, "fail_flush"); }
static void asks_where_it_stands_after_a_flush_that_was_in(void **state) { fails_until_told_better(*state, "lie"); }
static void survives_a_dead_place(void **state) { fails_until_told_better(*state, "fail_open"); }

/* What it was given of a batch that it did not finish must not be flushed when the app stops. */
static void stops_in_the_middle_of(struct world *w, const char *word)
{
	put(w, "var/t/in.jsonl", IN);
	tell(w, word);
	start(w, CONF, 1);
	usleep(500000);
	stop(w);
	tell(w, NULL);
	start(w, CONF, 1);
	until_idle(w);
	expect_rows(w, OUT);
	expect_values(w, "t-dlq", 0, "{\"a\":\"bad\"}\n");
}

static void stops_while_records_wait_to_be_tried_again(void **state) { stops_in_the_middle_of(*state, "retry"); }
static void stops_while_writes_fail(void **state) { stops_in_the_middle_of(*state, "fail_write"); }
static void stops_while_flushes_fail(void **state) { stops_in_the_middle_of(*state, "fail_flush"); }

/* A process that is killed in the sink's first flush: by then the host's own position and the dead letter are in. */
static void is_killed_in_a_flush(struct world *w)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		start(w, CONF, 1);
		usleep(10000000);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void loses_nothing_when_killed_in_the_first_flush(void **state)
{
	struct world *w = *state;
	put(w, "var/t/in.jsonl", IN);
	tell(w, "die");
	is_killed_in_a_flush(w);
	is_killed_in_a_flush(w);
	tell(w, NULL);
	start(w, CONF, 1);
	until_idle(w);
	expect_rows(w, OUT);
	expect_values(w, "t-dlq", 0, "{\"a\":\"bad\"}\n");
}

static void goes_on_after_a_restart(void **state)
{
	struct world *w = *state;
	put(w, "var/t/in.jsonl", "{\"a\":0}\n{\"a\":1}\n");
	start(w, CONF, 1);
	until_idle(w);
	stop(w);
	put(w, "var/t/in.jsonl", IN);
	start(w, CONF, 1);
	until_idle(w);
	stop(w);
	expect_rows(w, OUT);
}

static void keeps_the_position_of_one_that_does_not(void **state)
{
	struct world *w = *state;
	put(w, "var/t/in.jsonl", "{\"a\":0}\n{\"a\":1}\n");
	start(w, HOSTS, 1);
	until_idle(w);
	stop(w);
	put(w, "var/t/in.jsonl", IN);
	start(w, HOSTS, 1);
	until_idle(w);
	stop(w);
	expect_rows(w, OUT);
}

/* A plugin saved while its place can't be had: the new instance is asked where it stands, too. */
static void a_reload_finds_its_place(void **state)
{
	struct world *w = *state;
	char err[FL_ERRLEN];
	put(w, "var/t/in.jsonl", "{\"a\":0}\n{\"a\":1}\n");
	start(w, CONF, 1);
	until_idle(w);
	stop(w);
	tell(w, "fail_open");
	put(w, "var/t/in.jsonl", IN);
	start(w, CONF, 1);
	usleep(300000);
	struct fl_mailbox *box = fl_sink_box(w->app->sink[0]);
	struct fl_line *line = box->line[0];
	struct fl_swap *sw = fl_alloc(sizeof *sw);
	*sw = (struct fl_swap){.module = fl_module_ref(line->flow->is->stage[0].module), .line = line, .box = box, .instances = 1};
	sw->instance = fl_alloc(sizeof(struct fl_instance *));
	sw->instance[0] = fl_line_instance(line->flow, 0, sw->module, err);
	assert_non_null(sw->instance[0]);
	fl_mailbox_put(box, sw);
	until_idle(w);
	expect_rows(w, OUT);
}

static void refuses_a_place_of_another_app(void **state)
{
	struct world *w = *state;
	put(w, "var/t/in.jsonl", "");
	put(w, "var/t/ledger", "99\n-1\n-1\n-1\n-1\n-1\n-1\n-1\n{\"a\":0}\n");
	start(w, CONF, 1);
	usleep(300000);
	expect_rows(w, "{\"a\":0}\n");
	assert_false(fl_app_idle(w->app));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writes_again_what_wants_to_be_tried_again),
		TEST(survives_failed_writes),
		TEST(survives_failed_flushes),
		TEST(asks_where_it_stands_after_a_flush_that_was_in),
		TEST(survives_a_dead_place),
		TEST(stops_while_records_wait_to_be_tried_again),
		TEST(stops_while_writes_fail),
		TEST(stops_while_flushes_fail),
		TEST(loses_nothing_when_killed_in_the_first_flush),
		TEST(goes_on_after_a_restart),
		TEST(keeps_the_position_of_one_that_does_not),
		TEST(a_reload_finds_its_place),
		TEST(refuses_a_place_of_another_app),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
