/* Values of a conf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/value.h"

/* { at = time "stamp", n = 1, text = text } */
static struct fl_value map_of(const char *text)
{
	struct fl_value v = {.kind = FL_V_MAP, .n = 3, .item = fl_alloc(3 * sizeof(struct fl_value))};
	v.item[0] = (struct fl_value){.kind = FL_V_WORD, .name = fl_strdup("at"), .word = fl_strdup("time"), .text = fl_strdup("stamp")};
	v.item[1] = (struct fl_value){.kind = FL_V_NUMBER, .name = fl_strdup("n"), .number = 1};
	v.item[2] = (struct fl_value){.kind = FL_V_STRING, .name = fl_strdup("text"), .text = fl_strdup(text)};
	return v;
}

static void lookup(void **state)
{
	(void)state;
	struct fl_value v = map_of("a");
	assert_ptr_equal(fl_value_get(&v, "n"), &v.item[1]);
	assert_null(fl_value_get(&v, "m"));
	assert_null(fl_value_get(NULL, "n"));
	v.kind = FL_V_LIST;
	assert_null(fl_value_get(&v, "n"));
	fl_value_free(&v);
}

static void sameness_is_deep_and_without_lines(void **state)
{
	(void)state;
	struct fl_value a = map_of("a"), b = map_of("a"), c = map_of("b");
	b.line = b.item[0].line = 7;
	assert_true(fl_value_same(&a, &b));
	assert_false(fl_value_same(&a, &c));
	b.item[1].number = 2;
	assert_false(fl_value_same(&a, &b));
	b.item[1].number = 1;
	b.item[0].word[0] = 'T';
	assert_false(fl_value_same(&a, &b));
	fl_value_free(&a);
	fl_value_free(&b);
	fl_value_free(&c);
}

static void freed_is_nil(void **state)
{
	(void)state;
	struct fl_value v = map_of("a");
	fl_value_free(&v);
	assert_int_equal(v.kind, FL_V_NIL);
	assert_null(v.item);
	fl_value_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookup), cmocka_unit_test(sameness_is_deep_and_without_lines), cmocka_unit_test(freed_is_nil),
	};
	return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
