/* Headers of a record: what is added comes back, and damaged bytes end the walk. */
#include "batch_helper.h"

#include "event/header.h"

static struct fl_str text(const struct fl_buf *b) { return (struct fl_str){b->p, (uint32_t)b->len}; }

static void test_comes_back_in_order(void **state)
{
	struct fl_buf b = {0};
	struct fl_str name, value;
	uint32_t at = 0;
	(void)state;
	fl_header_add(&b, fl_str("fl.stage"), fl_str("speed"));
	fl_header_add(&b, fl_str(""), fl_str(""));
	fl_header_add(&b, fl_str("fl.stage"), fl_str("last"));
	assert_true(fl_header_next(text(&b), &at, &name, &value));
	assert_true(fl_str_eq(name, fl_str("fl.stage")) && fl_str_eq(value, fl_str("speed")));
	assert_true(fl_header_next(text(&b), &at, &name, &value));
	assert_int_equal(name.len + value.len, 0);
	assert_true(fl_header_next(text(&b), &at, &name, &value));
	assert_false(fl_header_next(text(&b), &at, &name, &value));
	assert_true(fl_str_eq(fl_header_find(text(&b), fl_str("fl.stage")), fl_str("last")));
	assert_non_null(fl_header_find(text(&b), fl_str("")).p);
	assert_null(fl_header_find(text(&b), fl_str("other")).p);
	assert_null(fl_header_find((struct fl_str){0}, fl_str("other")).p);
	fl_buf_free(&b);
}

static void test_damaged_bytes_end_it(void **state)
{
	struct fl_buf b = {0};
	(void)state;
	fl_header_add(&b, fl_str("name"), fl_str("value"));
	for (uint32_t cut = 0; cut < b.len; cut++) {
		char *copy = fl_alloc(cut + 1);
		memcpy(copy, b.p, cut);
		assert_null(fl_header_find((struct fl_str){copy, cut}, fl_str("name")).p);
		free(copy);
	}
	memset(b.p, 0xFF, 6);
	assert_null(fl_header_find(text(&b), fl_str("name")).p);
	fl_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_comes_back_in_order), cmocka_unit_test(test_damaged_bytes_end_it)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
