/* What a power cut leaves (a gap in the offsets) and what retention leaves, as tasks and sinks meet them: run/seat.c, worker.c. */
#include <signal.h>
#include <sys/wait.h>

#include "app_helper.h"

static int setup(void **state)
{
	if (world_setup(state))
		return -1;
	struct world *w = *state;
	char path[160];
	mkdir(w->data, 0777);
	snprintf(path, sizeof path, "%s/t", w->data);
	mkdir(path, 0777);
	return 0;
}

static int teardown(void **state)
{
	unsetenv("FAIRLEAD_BOOT_ID");
	return world_teardown(state);
}

static const char CONF[] =
	"app \"t\"\nlocal raw = stream \"raw\" {}\nlocal out = stream \"out\" {}\n"
	"source \"in\" { plugin \"lines\" { file = \"in.jsonl\" }, to = raw }\n"
	"pipeline \"p\" { from = raw, script \"transforms/two.lua\", to = out }\n";

/* A boot that ends without a clean stop: all is committed, and nothing is put in order. */
static void boot_and_die(struct world *w, const char *boot)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("FAIRLEAD_BOOT_ID", boot, 1);
		start(w, CONF, 1);
		until_idle(w);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void boot(struct world *w, const char *name)
{
	setenv("FAIRLEAD_BOOT_ID", name, 1);
	start(w, CONF, 1);
	until_idle(w);
}

/* A store that does not change after a power cut stands behind the gap: its next checkpoint does not forget where it was. */
static void a_store_at_rest_keeps_its_position(void **state)
{
	struct world *w = *state;
	char dir[160], err[FL_ERRLEN];
	put(w, "scripts/transforms/two.lua",
	    "local a, b = state \"a\", state \"b\"\n"
	    "function transform(e) a:put(\"n\", (a:get(\"n\") or 0) + 1) if e.b then b:put(\"n\", e.b) end e.a = a:get(\"n\") e.b = b:get(\"n\") end\n");
	put(w, "var/t/in.jsonl", "{\"b\":7}\n");
	boot(w, "1");
	stop(w);
	put(w, "var/t/in.jsonl", "{\"b\":7}\n{\"b\":8}\n");
	boot_and_die(w, "2");
	put(w, "var/t/in.jsonl", "{\"b\":7}\n{\"b\":8}\n{}\n");
	boot(w, "3");
	stop(w);
	snprintf(dir, sizeof dir, "%s/t/state/p-0", w->data);
	struct fl_state *st = fl_state_open(&(struct fl_state_conf){.dir = dir, .who = "t"}, err);
	assert_non_null(st);
	assert_true(fl_store_position(fl_state_store(st, "p.b", 0, err)) >= 2);
	fl_state_close(st);
	put(w, "var/t/in.jsonl", "{\"b\":7}\n{\"b\":8}\n{}\n{}\n");
	boot(w, "4");
	char *all = values(w, "out", 0, NULL);
	assert_string_equal(all, "{\"b\":7,\"a\":1}\n{\"b\":8,\"a\":2}\n{\"a\":3,\"b\":8}\n{\"a\":4,\"b\":8}\n");
	free(all);
}

/* Idle comes although nothing will ever be read in the gap. */
static void nobody_waits_for_what_is_not_there(void **state)
{
	struct world *w = *state;
	put(w, "scripts/transforms/two.lua", "function transform(e) end\n");
	put(w, "var/t/in.jsonl", "{\"i\":0}\n{\"i\":1}\n");
	boot_and_die(w, "1");
	boot(w, "2");
	stop(w);
	put(w, "var/t/in.jsonl", "{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n");
	boot_and_die(w, "3");
	boot(w, "4");
	char *all = values(w, "out", 0, NULL);
	assert_string_equal(all, "{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n");
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_store_at_rest_keeps_its_position, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_waits_for_what_is_not_there, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
