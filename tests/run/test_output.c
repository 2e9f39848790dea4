/* Where records go: partitions by key, keys and times of raw records, what is taken, dropped and cancelled. run/output.c */
#include "app_helper.h"
#include "run/output.h"

static void open_output(struct world *w, struct fl_output *out, struct fl_printer *printer)
{
	char path[128], err[FL_ERRLEN] = "";
	struct fl_buf warn = {0};
	put(w, "conf/t.lua", "app \"t\"\nlocal a = stream \"a\" { partitions = 4, key = \"id\", time = \"ts\" }\nlocal b = stream \"b\" { partitions = 3 }\n"
		"pipeline \"p\" { from = a, to = b }\n");
	snprintf(path, sizeof path, "%s/conf/t.lua", w->dir);
	w->plan = fl_plan_read(path, &warn, err);
	fl_buf_free(&warn);
	if (!w->plan)
		fail_msg("%s", err);
	fl_output_open(out, w->plan, printer);
}

static int is(struct fl_str s, const char *text) { return s.p && s.len == strlen(text) && memcmp(s.p, text, s.len) == 0; }

static uint32_t id(struct world *w, const char *stream) { return fl_plan_stream_find(w->plan, fl_str(stream)); }

static void raw(struct fl_output *out, uint32_t stream, double time, const char *key, const char *value)
{
	fl_output_raw(out, stream, (struct fl_record){time, key ? fl_str(key) : (struct fl_str){0}, {0}, value ? fl_str(value) : (struct fl_str){0}});
}

/* The only record of a partition. */
static struct fl_record only(struct fl_txn *txn, uint32_t k, uint32_t partition)
{
	struct fl_record r;
	size_t at = 0;
	assert_true(k < txn->appends);
	assert_int_equal(txn->append[k].partition, partition);
	assert_int_equal(txn->append[k].segment->n, 1);
	assert_int_equal(fl_segment_next(txn->append[k].segment, &at, &r), 1);
	return r;
}

static struct fl_txn *take(struct world *w, struct fl_output *out)
{
	int of[16];
	for (uint32_t s = 0; s < w->plan->streams; s++)
		of[s] = (int)s + 100;
	struct fl_txn *txn = fl_alloc(sizeof *txn);
	txn->append = fl_alloc((fl_output_parts(out) + 1) * sizeof *txn->append);
	fl_output_take(out, txn, of);
	return txn;
}

/* As Java's client: the hashes are those that its own tests expect. */
static void keys_go_where_kafka_puts_them(void **state)
{
	(void)state;
	assert_int_equal(fl_partition_of(fl_str("21"), 0, 1000), (uint32_t)((-973932308 & 0x7fffffff) % 1000));
	assert_int_equal(fl_partition_of(fl_str("foobar"), 0, 1000), (uint32_t)((-790332482 & 0x7fffffff) % 1000));
	assert_int_equal(fl_partition_of(fl_str("a-little-bit-long-string"), 0, 1000), (uint32_t)((-985981536 & 0x7fffffff) % 1000));
	assert_int_equal(fl_partition_of(fl_str("a-little-bit-longer-string"), 0, 1000), (uint32_t)((-1486304829 & 0x7fffffff) % 1000));
	assert_int_equal(fl_partition_of((struct fl_str){0}, 7, 4), 3);
}

static void raw_records_get_keys_and_times_from_their_fields(void **state)
{
	struct world *w = *state;
	struct fl_output out;
	open_output(w, &out, NULL);
	raw(&out, id(w, "a"), 5, NULL, "{\"id\":\"foobar\",\"ts\":1234.5}");
	assert_int_equal(fl_output_parts(&out), 1);
	assert_true(out.bytes > 0);
	struct fl_txn *txn = take(w, &out);
	assert_int_equal(out.bytes, 0);
	assert_int_equal(fl_output_parts(&out), 0);
	struct fl_record r = only(txn, 0, fl_partition_of(fl_str("foobar"), 0, 4));
	assert_true(is(r.key, "foobar"));
	assert_true(r.time == 1234.5);
	assert_int_equal(txn->append[0].stream, 100 + id(w, "a"));
	fl_txn_free(txn);
	/* a number is a key by its text; what the record lacks comes from the caller; a given key stays */
	raw(&out, id(w, "a"), 5, NULL, "{\"id\":21}");
	txn = take(w, &out);
	r = only(txn, 0, fl_partition_of(fl_str("21"), 0, 4));
	assert_true(is(r.key, "21") && r.time == 5);
	fl_txn_free(txn);
	raw(&out, id(w, "a"), 5, "mine", "{\"id\":21,\"ts\":6}");
	txn = take(w, &out);
	r = only(txn, 0, fl_partition_of(fl_str("mine"), 0, 4));
	assert_true(is(r.key, "mine") && r.time == 6);
	fl_txn_free(txn);
	fl_output_close(&out);
}

/* A record that its codec can't read goes as it is: its reader says so, with its origin. */
static void what_cannot_be_read_goes_as_it_is(void **state)
{
	struct world *w = *state;
	struct fl_output out;
	open_output(w, &out, NULL);
	out.turn = 2;
	raw(&out, id(w, "a"), 5, NULL, "not json");
	struct fl_txn *txn = take(w, &out);
	struct fl_record r = only(txn, 0, 2);
	assert_true(is(r.value, "not json") && !r.key.p && r.time == 5);
	fl_txn_free(txn);
	raw(&out, id(w, "a"), 5, "gone", NULL);
	txn = take(w, &out);
	r = only(txn, 0, fl_partition_of(fl_str("gone"), 0, 4));
	assert_null(r.value.p);
	fl_txn_free(txn);
	fl_output_close(&out);
}

static void what_is_cancelled_or_dropped_leaves_nothing(void **state)
{
	struct world *w = *state;
	struct fl_output out;
	struct fl_out_mark m;
	open_output(w, &out, NULL);
	struct fl_buf *b = fl_output_begin(&out, &m, id(w, "b"), &(struct fl_record){1, fl_str("k"), {0}, {0}});
	fl_buf_add(b, "half", 4);
	fl_output_cancel(&out, &m);
	assert_int_equal(fl_output_parts(&out), 0);
	raw(&out, id(w, "b"), 1, NULL, "x");
	fl_output_drop(&out);
	assert_int_equal(fl_output_parts(&out), 0);
	assert_int_equal(out.bytes, 0);
	b = fl_output_begin(&out, &m, id(w, "b"), &(struct fl_record){1, fl_str("k"), {0}, {0}});
	fl_buf_add(b, "whole", 5);
	fl_output_end(&out, &m);
	struct fl_txn *txn = take(w, &out);
	struct fl_record r = only(txn, 0, fl_partition_of(fl_str("k"), 0, 3));
	assert_true(is(r.value, "whole"));
	fl_txn_free(txn);
	fl_output_close(&out);
}

static void the_printer_shows_what_it_was_asked_for(void **state)
{
	struct world *w = *state;
	struct fl_output out;
	struct fl_printer p = {0};
	open_output(w, &out, &p);
	p.to = id(w, "b");
	raw(&out, id(w, "b"), 1, "k", "one");
	raw(&out, id(w, "a"), 1, "k", "{}");
	assert_true(is((struct fl_str){p.buf.p, (uint32_t)p.buf.len}, "one\n"));
	p.streams = 1;
	p.buf.len = 0;
	raw(&out, id(w, "b"), 1, NULL, "one");
	raw(&out, id(w, "a"), 1, NULL, "{\"id\":3}");
	assert_true(is((struct fl_str){p.buf.p, (uint32_t)p.buf.len}, "b\t\tone\na\t3\t{\"id\":3}\n"));
	fl_output_close(&out);
	fl_buf_free(&p.buf);
	fl_buf_free(&p.waste);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_go_where_kafka_puts_them),
		TEST(raw_records_get_keys_and_times_from_their_fields),
		TEST(what_cannot_be_read_goes_as_it_is),
		TEST(what_is_cancelled_or_dropped_leaves_nothing),
		TEST(the_printer_shows_what_it_was_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
