/* A batch's life: columns and names, records in, columns that come later, the next batch. */
#include "batch_helper.h"

#include <pthread.h>

static void add(struct fl_events *ev, int64_t offset, const char *text)
{
	/* FL_PAD bytes are readable behind it: tests' texts are copied */
	static char copies[8][256];
	char *to = copies[offset];
	memset(to, 0, sizeof copies[0]);
	assert_true(strlen(text) + FL_PAD < sizeof copies[0]);
	memcpy(to, text, strlen(text));
	fl_events_add(ev, offset, 1.5, fl_str("key"), fl_str(to), (struct fl_str){0});
}

static void test_fields_keep_their_index(void **state)
{
	struct fl_fields *f = fl_fields_new();
	char name[16];
	(void)state;
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t k = 0; k < FL_COLUMNS_MAX; k++) {
			snprintf(name, sizeof name, "f%u", k);
			assert_int_equal(fl_fields_add(f, fl_str(name)), k);
		}
	assert_int_equal(fl_fields_add(f, fl_str("one more")), FL_NO_FIELD);
	assert_true(fl_str_eq(fl_fields_member(f, 7), fl_str(",\"f7\":")));
	struct fl_events *ev = fl_events_new(f, &fl_codec_json, (struct fl_limits){0}, 2);
	assert_int_equal(fl_events_column(ev, fl_str("one more")), FL_NO_FIELD);
	assert_int_equal(fl_events_column(ev, fl_str("f511")), 511);
	fl_events_free(ev);
	fl_fields_free(f);
	fl_fields_free(NULL);
	fl_events_free(NULL);
}

static void *add_names(void *arg)
{
	char name[16];
	for (uint32_t k = 0; k < 200; k++) {
		snprintf(name, sizeof name, "n%u", k);
		fl_fields_add(arg, fl_str(name));
	}
	return NULL;
}

/* Two threads add the same names while a batch takes them in: each name has one index, in every batch. */
static void test_fields_are_shared(void **state)
{
	struct fl_fields *f = fl_fields_new();
	pthread_t thread[2];
	(void)state;
	for (int k = 0; k < 2; k++)
		assert_int_equal(pthread_create(&thread[k], NULL, add_names, f), 0);
	struct fl_events *ev = fl_events_new(f, &fl_codec_json, (struct fl_limits){0}, 4);
	for (int k = 0; k < 50; k++) {
		fl_events_begin(ev, "s", 0, 0);
		add(ev, 0, "{\"n1\":1,\"n199\":2}");
		fl_events_decode(ev);
	}
	for (int k = 0; k < 2; k++)
		pthread_join(thread[k], NULL);
	fl_events_begin(ev, "s", 0, 0);
	assert_int_equal(ev->b.columns, 200);
	for (uint32_t k = 0; k < 200; k++)
		assert_int_equal(fl_fields_add(f, ev->b.column[k]->name), k);
	fl_events_free(ev);
	fl_fields_free(f);
}

static void test_records_and_their_columns(void **state)
{
	struct fl_fields *f = fl_fields_new();
	(void)state;
	uint32_t x = fl_fields_add(f, fl_str("x"));
	struct fl_events *ev = fl_events_new(f, &fl_codec_json, (struct fl_limits){0}, 5);
	fl_events_begin(ev, "boats", 3, 99.5);
	add(ev, 0, "{\"x\":0}");
	add(ev, 1, "{\"y\":1,\"x\":1}");
	add(ev, 2, "not JSON");
	add(ev, 3, "{\"y\":3}");
	fl_events_add(ev, 4, 2.5, (struct fl_str){0}, (struct fl_str){0}, (struct fl_str){0});
	fl_events_decode(ev);
	struct fl_column *c = ev->b.column[x];
	assert_string_equal(ev->b.stream, "boats");
	assert_int_equal(ev->b.partition, 3);
	assert_true(ev->b.now == 99.5 && ev->b.time[0] == 1.5 && ev->b.offset[3] == 3 && ev->b.hash[0] == 0);
	assert_memory_equal(c->type, ((uint8_t[]){FL_NUMBER, FL_NUMBER, FL_ABSENT, FL_ABSENT, FL_ABSENT}), 5);
	assert_int_equal(c->at[1], 11);
	assert_int_equal(c->at[3], UINT32_MAX);
	assert_memory_equal(ev->b.outcome, ((uint8_t[]){FL_PASS, FL_PASS, FL_REJECT, FL_PASS, FL_PASS}), 5);

	/* a name that is first used now; what was decoded and written stays */
	fl_events_set_number(ev, x, 0, 42);
	struct fl_column **columns = ev->b.column;
	uint32_t y = fl_events_column(ev, fl_str("y"));
	assert_ptr_equal(columns, ev->b.column);
	assert_ptr_equal(c, ev->b.column[x]);
	assert_memory_equal(ev->b.column[y]->type, ((uint8_t[]){FL_ABSENT, FL_NUMBER, FL_ABSENT, FL_NUMBER, FL_ABSENT}), 5);
	assert_true(ev->b.column[y]->num[3] == 3 && c->num[0] == 42);
	assert_int_equal(ev->whys, 1);

	/* the next batch knows nothing of the last */
	fl_events_begin(ev, "boats", 3, 100);
	add(ev, 5, "{}");
	fl_events_decode(ev);
	assert_int_equal(ev->b.n, 1);
	assert_int_equal(c->type[0] + c->dirty[0] + c->written + ev->b.touched[0] + ev->whys, 0);
	fl_events_free(ev);
	fl_fields_free(f);
}

/* Once as large as its records, a batch allocates nothing. */
static void test_warm_batches_allocate_nothing(void **state)
{
	struct fl_fields *f = fl_fields_new();
	struct fl_buf out = {0};
	char err[FL_ERRLEN];
	const char *p = NULL;
	const struct fl_arena_block *block = NULL;
	(void)state;
	uint32_t s = fl_fields_add(f, fl_str("s"));
	struct fl_events *ev = fl_events_new(f, &fl_codec_json, (struct fl_limits){0}, 4);
	for (int round = 0; round < 20; round++) {
		fl_events_begin(ev, "s", 0, 0);
		for (int k = 0; k < 4; k++)
			add(ev, k, "{\"s\":\"a\\nb\",\"t\":1}");
		fl_events_decode(ev);
		out.len = 0;
		for (uint32_t k = 0; k < 4; k++) {
			fl_events_set_string(ev, s, k, fl_str("longer"));
			assert_int_equal(fl_events_encode(ev, k, ev->codec, &out, err), 0);
		}
		if (round > 0) {
			assert_ptr_equal(out.p, p);
			assert_ptr_equal(ev->arena.first, block);
		}
		p = out.p;
		block = ev->arena.first;
	}
	fl_events_free(ev);
	fl_fields_free(f);
	fl_buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_keep_their_index),
		cmocka_unit_test(test_fields_are_shared),
		cmocka_unit_test(test_records_and_their_columns),
		cmocka_unit_test(test_warm_batches_allocate_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
