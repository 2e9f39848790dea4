/* The state against a naive one: two stores (one with a ttl) of a few hundred keys under random operations, commits,
 * checkpoints that fail at each place, and crashes. After a commit the changelog, read from its start, must give the
 * same state; after a crash so must the checkpoint with the changelog from its position. */
#include "tmp.h"

#define KEYS 300
#define STORES 2
#define VALUE_MAX 400

struct value {
	int live, len;
	double time;
	unsigned char bytes[VALUE_MAX];
};

struct record {
	int store, key, dead, len;
	unsigned char bytes[VALUE_MAX + 8];
};

static struct value is[STORES][KEYS], committed[STORES][KEYS], fold[STORES][KEYS], marked[STORES][KEYS];
static const double ttl[STORES] = {0, 40};
static const char *const name[STORES] = {"plain", "short-lived"};
static char key_bytes[KEYS][FL_KEY_MAX];
static uint32_t key_len[KEYS];
static struct record *log_;
static size_t logged, log_cap;
static double now;
static unsigned long seed;
static struct fl_state *st;
static struct fl_store *store[STORES];
static unsigned seen[STORES][KEYS], round_;

static unsigned rnd(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* An empty key, the longest, ones that are each other's beginnings, with zero bytes, and high bytes. */
static void make_keys(void)
{
	for (int k = 0; k < KEYS; k++) {
		int n = k == 0 ? 0 : k == 1 ? FL_KEY_MAX : snprintf(key_bytes[k], 32, "k%d", k);
		if (k == 1)
			memset(key_bytes[k], 0xff, FL_KEY_MAX);
		if (k % 7 == 3) {
			key_bytes[k][n++] = 0;
			key_bytes[k][n++] = (char)0x80;
		}
		key_len[k] = (uint32_t)n;
	}
}

static struct fl_str key_of(int k) { return (struct fl_str){key_bytes[k], key_len[k]}; }

static int key_index(struct fl_str key)
{
	for (int k = 0; k < KEYS; k++)
		if (fl_str_eq(key, key_of(k)))
			return k;
	fail_msg("a key that was never put");
	return -1;
}

static int live(int s, const struct value *v) { return v->live && !(ttl[s] > 0 && now >= v->time + ttl[s]); }

static int pick_value(unsigned char *to)
{
	int n = (int)rnd(4) == 0 ? (int)rnd(VALUE_MAX) : (int)rnd(24);
	for (int i = 0; i < n; i++)
		to[i] = (unsigned char)rnd(256);
	return n;
}

static void check_key(int s, int k)
{
	uint32_t len;
	const void *p = fl_store_get(store[s], key_of(k), fl_key_hash(key_of(k)), &len);
	const struct value *v = &is[s][k];
	assert_int_equal(p != NULL, live(s, v));
	if (p) {
		assert_int_equal(len, v->len);
		assert_memory_equal(p, v->bytes, len);
	}
}

static void do_put(int s, int k)
{
	struct value *v = &is[s][k];
	v->len = pick_value(v->bytes);
	v->live = 1;
	v->time = now;
	fl_store_put(store[s], key_of(k), fl_key_hash(key_of(k)), v->bytes, (uint32_t)v->len);
}

static void do_del(int s, int k)
{
	is[s][k].live = 0;
	fl_store_del(store[s], key_of(k), fl_key_hash(key_of(k)));
}

/* Half of those who ask for memory change nothing in it. */
static void do_at(int s, int k)
{
	struct value *v = &is[s][k];
	uint32_t len, size = rnd(VALUE_MAX);
	int was = live(s, v) ? v->len : 0;
	unsigned char *p = fl_store_at(store[s], key_of(k), fl_key_hash(key_of(k)), size, &len);
	assert_int_equal(len, was);
	if (was)
		assert_memory_equal(p, v->bytes, was);
	for (uint32_t i = len; i < size; i++)
		assert_int_equal(p[i], 0);
	if (!live(s, v))
		v->live = 0;
	if (rnd(2))
		return;
	for (uint32_t i = 0; i < size; i += 1 + rnd(9))
		p[i] = (unsigned char)rnd(256);
	v->len = (int)(size > len || rnd(2) ? size : len);
	v->live = 1;
	v->time = now;
	memcpy(v->bytes, p, (size_t)v->len);
	fl_store_changed(store[s], p, (uint32_t)v->len);
}

static void do_undone(void)
{
	memcpy(marked, is, sizeof is);
	fl_state_mark(st);
	for (unsigned n = rnd(12); n; n--) {
		int s = (int)rnd(STORES), k = (int)rnd(KEYS);
		if (rnd(3))
			do_put(s, k);
		else
			do_del(s, k);
		check_key(s, k);
	}
	if (rnd(3) == 0)
		return;
	fl_state_rollback(st);
	memcpy(is, marked, sizeof is);
}

struct walk {
	int s, n, stop;
	struct fl_str last;
	char last_bytes[FL_KEY_MAX];
	int got[KEYS];
};

static int compare(struct fl_str a, struct fl_str b)
{
	int c = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);
	return c ? c : (int)a.len - (int)b.len;
}

static int step(void *arg, struct fl_str key, struct fl_str value)
{
	struct walk *w = arg;
	int k = key_index(key);
	if (w->n++)
		assert_true(compare(w->last, key) < 0);
	memcpy(w->last_bytes, key.p, key.len);
	w->last = (struct fl_str){w->last_bytes, key.len};
	w->got[k] = 1;
	assert_true(live(w->s, &is[w->s][k]));
	assert_int_equal(value.len, is[w->s][k].len);
	assert_memory_equal(value.p, is[w->s][k].bytes, value.len);
	return w->n == w->stop;
}

static void do_range(void)
{
	char err[FL_ERRLEN];
	struct walk w = {.s = (int)rnd(STORES), .stop = rnd(4) ? 0 : 1 + (int)rnd(5)};
	struct fl_str from = key_of((int)rnd(KEYS)), to = rnd(3) ? key_of((int)rnd(KEYS)) : (struct fl_str){NULL, 0};
	assert_int_equal(fl_store_range(store[w.s], from, to, step, &w, err), 0);
	for (int k = 0; !w.stop && k < KEYS; k++) {
		int in = compare(key_of(k), from) >= 0 && (!to.p || compare(key_of(k), to) < 0);
		assert_int_equal(w.got[k], in && live(w.s, &is[w.s][k]));
	}
}

static void apply_record(struct value to[STORES][KEYS], const struct record *r)
{
	struct value *v = &to[r->store][r->key];
	v->live = !r->dead;
	if (r->dead)
		return;
	memcpy(&v->time, r->bytes, 8);
	v->len = r->len - 8;
	memcpy(v->bytes, r->bytes + 8, (size_t)v->len);
}

static void see_change(void *arg, struct fl_store *s, struct fl_str key, struct fl_str value)
{
	(void)arg;
	if (logged == log_cap) {
		log_cap = log_cap ? log_cap * 2 : 1024;
		log_ = realloc(log_, log_cap * sizeof *log_);
	}
	struct record *r = &log_[logged++];
	*r = (struct record){.store = s == store[1], .key = key_index(key), .dead = !value.p, .len = (int)value.len};
	assert_int_not_equal(seen[r->store][r->key], round_); /* each key once */
	seen[r->store][r->key] = round_;
	if (value.p)
		memcpy(r->bytes, value.p, value.len);
	apply_record(fold, r);
}

static void do_commit(void)
{
	round_++;
	fl_state_collect(st, see_change, NULL);
	for (int s = 0; s < STORES; s++)
		for (int k = 0; k < KEYS; k++) {
			assert_int_equal(live(s, &fold[s][k]), live(s, &is[s][k]));
			if (live(s, &is[s][k])) {
				assert_int_equal(fold[s][k].len, is[s][k].len);
				assert_memory_equal(fold[s][k].bytes, is[s][k].bytes, is[s][k].len);
			}
		}
	memcpy(committed, is, sizeof is);
}

static void open_all(void)
{
	char err[FL_ERRLEN];
	st = open_state(tmp_path("a/b"), 16 << 10);
	for (int i = 0; i < STORES; i++) {
		store[i] = open_store(st, name[i], ttl[i]);
		for (size_t at = (size_t)fl_store_position(store[i]); at < logged; at++) {
			const struct record *r = &log_[at];
			struct fl_str value = {r->dead ? NULL : (const char *)r->bytes, (uint32_t)r->len};
			if (r->store == i)
				assert_int_equal(fl_store_apply(store[i], key_of(r->key), value, (int64_t)at, err), 0);
		}
	}
	fl_state_time(st, now);
}

static void do_crash(void)
{
	fl_state_close(st);
	memcpy(is, committed, sizeof is);
	open_all();
	for (int k = 0; k < KEYS; k++)
		check_key(k % STORES, k);
}

/* Changes go on while it is under way; then it was written, or was not, or was but nobody heard of it. */
static void do_checkpoint(void)
{
	char err[FL_ERRLEN] = "";
	do_commit();
	int64_t next[STORES] = {(int64_t)logged, (int64_t)logged};
	struct fl_snapshot *sn = fl_state_snapshot(st, next);
	if (!sn)
		return;
	for (unsigned n = rnd(30); n; n--)
		do_put((int)rnd(STORES), (int)rnd(KEYS));
	if (rnd(4) == 0)
		do_commit();
	int how = (int)rnd(4);
	if (how > 0)
		assert_int_equal(fl_snapshot_write(sn, err), 0);
	fl_state_settled(st, sn, how > 1);
	assert_null(fl_state_failed(st));
}

static void run_model(unsigned long start, int steps)
{
	seed = start;
	now = 1000;
	logged = 0;
	memset(is, 0, sizeof is);
	memset(committed, 0, sizeof is);
	memset(fold, 0, sizeof is);
	open_all();
	for (int i = 0; i < steps; i++) {
		int s = (int)rnd(STORES), k = (int)rnd(rnd(2) ? KEYS : 20);
		switch (rnd(40)) {
		case 0 ... 9: do_put(s, k); break;
		case 10 ... 13: do_del(s, k); break;
		case 14 ... 21: do_at(s, k); break;
		case 22 ... 28: break;
		case 29 ... 31: do_undone(); break;
		case 32: do_range(); break;
		case 33: now += rnd(8); fl_state_time(st, now); break;
		case 34 ... 36: do_commit(); break;
		case 37: do_checkpoint(); break;
		default:
			if (rnd(8) == 0)
				do_crash();
		}
		check_key(s, k);
	}
	fl_state_close(st);
}

static void test_random_operations(void **unused)
{
	(void)unused;
	make_keys();
	for (unsigned long n = 1; n <= 6; n++) {
		tmp_make(NULL);
		run_model(n * 7919, 6000);
		tmp_remove(NULL);
	}
	free(log_);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_operations)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
