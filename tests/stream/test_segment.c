/* Segments, also damaged ones, and the partition of a key. */
#include "stream_helper.h"

static struct fl_record rec(double time, const char *key, const char *headers, const char *value)
{
	return (struct fl_record){time, key ? fl_str(key) : (struct fl_str){0}, headers ? fl_str(headers) : (struct fl_str){0},
	                          value ? fl_str(value) : (struct fl_str){0}};
}

static void assert_str(struct fl_str s, const char *is)
{
	if (!is) {
		assert_null(s.p);
		return;
	}
	assert_non_null(s.p);
	assert_int_equal(s.len, strlen(is));
	assert_memory_equal(s.p, is, s.len);
}

static void records_come_back(void **state)
{
	(void)state;
	const struct fl_record in[] = {rec(1.25, "key", "hdr", "value"), rec(-1, NULL, NULL, ""), rec(0, "", NULL, NULL),
	                                rec(9, "k", NULL, "v")};
	struct fl_buf b = {0};
	for (size_t i = 0; i < 4; i++)
		fl_segment_add(&b, &in[i]);
	struct fl_segment *s = fl_segment_take(&b, 4);
	assert_null(b.p);
	assert_int_equal(s->base, -1);
	struct fl_record out;
	size_t at = 0;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(fl_segment_next(s, &at, &out), 1);
		assert_true(out.time == in[i].time);
		assert_str(out.key, in[i].key.p);
		assert_str(out.headers, in[i].headers.p);
		assert_str(out.value, in[i].value.p);
	}
	assert_int_equal(fl_segment_next(s, &at, &out), 0);
	assert_int_equal(fl_segment_next(s, &at, &out), 0);
	fl_segment_unref(s);
}

static void values_are_written_in_place(void **state)
{
	(void)state;
	struct fl_buf b = {0};
	size_t mark = fl_segment_begin(&b, 3, fl_str("k"), fl_str("h"));
	FL_BUF_LIT(&b, "one");
	fl_segment_end(&b, mark);
	mark = fl_segment_begin(&b, 4, (struct fl_str){0}, (struct fl_str){0});
	FL_BUF_LIT(&b, "gone");
	fl_segment_cancel(&b, mark);
	mark = fl_segment_begin(&b, 5, (struct fl_str){0}, (struct fl_str){0});
	for (int i = 0; i < 1000; i++)
		FL_BUF_LIT(&b, "0123456789");
	fl_segment_end(&b, mark);
	struct fl_segment *s = fl_segment_take(&b, 2);
	struct fl_record r;
	size_t at = 0;
	assert_int_equal(fl_segment_next(s, &at, &r), 1);
	assert_str(r.key, "k");
	assert_str(r.headers, "h");
	assert_str(r.value, "one");
	assert_int_equal(fl_segment_next(s, &at, &r), 1);
	assert_true(r.time == 5);
	assert_int_equal(r.value.len, 10000);
	assert_int_equal(fl_segment_next(s, &at, &r), 0);
	fl_segment_unref(s);
}

/* Every way to cut it and every changed byte: an answer, never a step over the end (run under ASan). */
static void damaged_bytes_do_no_harm(void **state)
{
	(void)state;
	struct fl_buf b = {0};
	for (int i = 0; i < 3; i++)
		fl_segment_add(&b, &(struct fl_record){1, fl_str("key"), fl_str("headers"), fl_str("some value")});
	struct fl_segment *s = fl_segment_take(&b, 3);
	struct fl_record r;
	size_t whole = s->size, at;
	int rc, damaged = 0;
	for (s->size = 0; s->size < whole; s->size++) {
		for (at = 0; (rc = fl_segment_next(s, &at, &r)) == 1;) {
		}
		assert_int_equal(rc, s->size % (whole / 3) ? -1 : 0);
	}
	s->size = whole;
	for (size_t i = 0; i < whole; i++) {
		char was = s->bytes[i];
		s->bytes[i] = (char)0xff;
		for (at = 0; (rc = fl_segment_next(s, &at, &r)) == 1;) {
			assert_true(r.value.p == NULL || r.value.p + r.value.len <= s->bytes + whole);
			assert_true(at <= whole);
		}
		damaged += rc < 0;
		s->bytes[i] = was;
	}
	assert_true(damaged > 0);
	at = whole + 1;
	assert_int_equal(fl_segment_next(s, &at, &r), -1);
	fl_segment_unref(s);
}

static void references_keep_it(void **state)
{
	(void)state;
	struct fl_buf b = {0};
	fl_segment_add(&b, &(struct fl_record){.value = fl_str("v")});
	struct fl_segment *s = fl_segment_take(&b, 1);
	assert_ptr_equal(fl_segment_ref(s), s);
	fl_segment_unref(s);
	assert_int_equal(s->n, 1);
	fl_segment_unref(s);
	fl_segment_unref(NULL);
}

/* The hashes that Kafka's own UtilsTest.java expects. */
static void keys_go_where_kafka_sends_them(void **state)
{
	(void)state;
	static const struct {
		const char *key;
		int32_t hash;
	} known[] = {{"21", -973932308}, {"foobar", -790332482}, {"a-little-bit-long-string", -985981536},
	             {"a-little-bit-longer-string", -1486304829},
	             {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
	             {"abc", 479470107}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		for (uint32_t n = 1; n < 1000; n += 7)
			assert_int_equal(fl_partition_of(fl_str(known[i].key), 5, n), ((uint32_t)known[i].hash & 0x7fffffff) % n);
	assert_int_equal(fl_partition_of((struct fl_str){0}, 7, 3), 1);
	assert_int_equal(fl_partition_of((struct fl_str){0}, 8, 3), 2);
	assert_int_equal(fl_partition_of(fl_str(""), 1, 6), fl_partition_of(fl_str(""), 2, 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_back),        cmocka_unit_test(values_are_written_in_place),
		cmocka_unit_test(damaged_bytes_do_no_harm), cmocka_unit_test(references_keep_it),
		cmocka_unit_test(keys_go_where_kafka_sends_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
