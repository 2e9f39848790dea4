/* kill -9: a child works on a state while its changelog goes to shared memory, which outlives it as a committed log
 * would. Killed at any instant, many times: checkpoint and log from its position give what a recomputation from the
 * first transaction gives. Order matters in it, so that a transaction lost, doubled or exchanged shows. */
#include "tmp.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define KEYS 700
#define KILLS 60
#define LOG_MAX (1u << 18)

struct entry {
	uint32_t key, dead;
	struct {
		double time;
		uint64_t value[12];
	} stored;
};

static struct {
	_Atomic uint64_t committed; /* transactions << 32 | records: they move in one step, as in a commit of the streams */
	_Atomic uint64_t checkpoints;
	struct entry log[LOG_MAX];
} *shared;

struct step {
	uint64_t model[KEYS];
	uint8_t there[KEYS];
};

static uint64_t transactions(void) { return shared->committed >> 32; }
static uint64_t records(void) { return shared->committed & UINT32_MAX; }

static uint32_t mix(uint64_t n, uint32_t of)
{
	n = (n + 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(n >> 33) % of;
}

/* Transaction n, on the naive state and, where there is one, on the store. */
static void transaction(struct step *m, struct fl_store *s, uint64_t n)
{
	for (uint32_t i = 0; i < 1 + mix(n, 40); i++) {
		uint32_t k = mix(n * 64 + i, KEYS), len;
		struct fl_str key = {(char *)&k, sizeof k};
		int gone = mix(n * 64 + i + 1, 9) == 0;
		m->model[k] = gone ? 0 : m->model[k] * 31 + n + i;
		m->there[k] = !gone;
		if (!s)
			continue;
		if (gone) {
			fl_store_del(s, key, fl_key_hash(key));
		} else {
			uint64_t *v = fl_store_at(s, key, fl_key_hash(key), 96, &len);
			v[0] = v[0] * 31 + n + i;
			fl_store_changed(s, v, 96);
		}
	}
}

static void append(void *arg, struct fl_store *s, struct fl_str key, struct fl_str value)
{
	(void)s;
	uint64_t *at = arg;
	struct entry *e = &shared->log[(*at)++ % LOG_MAX];
	memcpy(&e->key, key.p, sizeof e->key);
	e->dead = !value.p;
	if (value.p)
		memcpy(&e->stored, value.p, sizeof e->stored);
}

static struct fl_store *restore(struct fl_state *st)
{
	char err[FL_ERRLEN];
	struct fl_store *s = open_store(st, "a", 0);
	for (uint64_t at = (uint64_t)fl_store_position(s); at < records(); at++) {
		struct entry *e = &shared->log[at % LOG_MAX];
		struct fl_str value = {e->dead ? NULL : (char *)&e->stored, e->dead ? 0 : sizeof e->stored};
		assert_int_equal(fl_store_apply(s, (struct fl_str){(char *)&e->key, sizeof e->key}, value, (int64_t)at, err), 0);
	}
	return s;
}

static void *write_snapshot(void *sn)
{
	char err[FL_ERRLEN];
	return fl_snapshot_write(sn, err) == 0 ? sn : NULL;
}

static void work(void)
{
	struct fl_state *st = open_state(tmp_path("state"), 32 << 10);
	struct fl_store *s = restore(st);
	struct fl_snapshot *sn = NULL;
	static struct step unused;
	pthread_t thread;
	void *ok;
	for (;;) {
		uint64_t n = transactions(), at = records();
		transaction(&unused, s, n);
		fl_state_collect(st, append, &at);
		shared->committed = (n + 1) << 32 | at;
		int behind = at - (uint64_t)fl_store_position(s) > LOG_MAX / 2; /* the log is a ring */
		if (sn && (behind || n % 3 == 0)) {
			pthread_join(thread, &ok);
			fl_state_settled(st, sn, ok != NULL);
			shared->checkpoints += ok != NULL;
			sn = NULL;
		}
		int64_t next = (int64_t)at;
		if (!sn && n % 5 == 0 && (sn = fl_state_snapshot(st, &next)))
			pthread_create(&thread, NULL, write_snapshot, sn);
	}
}

static void check(const struct step *m)
{
	uint32_t len;
	struct fl_state *st = open_state(tmp_path("state"), 0);
	struct fl_store *s = restore(st);
	for (uint32_t k = 0; k < KEYS; k++) {
		struct fl_str key = {(char *)&k, sizeof k};
		const uint64_t *v = fl_store_get(s, key, fl_key_hash(key), &len);
		assert_int_equal(v != NULL, m->there[k]);
		if (v)
			assert_true(*v == m->model[k]);
	}
	fl_state_close(st);
}

static void test_killed_at_any_instant(void **unused)
{
	(void)unused;
	static struct step m;
	uint64_t done = 0;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	for (int i = 0; i < KILLS; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			work();
			_exit(1);
		}
		/* Some time after it got so far, whatever this machine takes for it. */
		uint64_t until = shared->checkpoints + mix((uint64_t)i, 3);
		while (shared->checkpoints < until && waitpid(pid, NULL, WNOHANG) == 0)
			usleep(200);
		usleep(mix((uint64_t)i * 977 + (uint64_t)time(NULL), 8000));
		kill(pid, SIGKILL);
		int status = 0;
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		for (; done < transactions(); done++)
			transaction(&m, NULL, done);
		check(&m);
	}
	assert_true(shared->checkpoints >= KILLS / 2);
	munmap(shared, sizeof *shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed_at_any_instant)};
	return cmocka_run_group_tests(tests, tmp_make, tmp_remove);
}
