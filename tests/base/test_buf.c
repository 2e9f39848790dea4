/* Buffers and arenas: growth, reuse after a reset, alignment, big blocks given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../core/base/buf.h"

static void buffer_grows_and_keeps_its_bytes(void **s)
{
	(void)s;
	struct fl_buf b = {0};
	for (int i = 0; i < 100000; i++)
		fl_buf_byte(&b, (char)(i % 251));
	assert_int_equal(b.len, 100000);
	for (int i = 0; i < 100000; i++)
		assert_int_equal((unsigned char)b.p[i], i % 251);
	fl_buf_free(&b);
	assert_null(b.p);
	assert_int_equal(b.len + b.cap, 0);
}

static void buffer_adds_nothing_from_nowhere(void **s)
{
	(void)s;
	struct fl_buf b = {0};
	fl_buf_add(&b, NULL, 0);
	assert_int_equal(b.len, 0);
	FL_BUF_LIT(&b, "abc");
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.p, "abc", 3);
	fl_buf_free(&b);
}

static void printf_fits_any_length(void **s)
{
	(void)s;
	struct fl_buf b = {0};
	for (int n = 0; n < 2000; n += 37) {
		b.len = 0;
		fl_buf_printf(&b, "%*d|", n + 1, 7);
		assert_int_equal(b.len, n + 2);
		assert_int_equal(b.p[b.len - 1], '|');
	}
	size_t was = b.len;
	fl_buf_printf(&b, "%s", "");
	assert_int_equal(b.len, was);
	fl_buf_free(&b);
}

static void arena_is_aligned_and_disjoint(void **s)
{
	(void)s;
	struct fl_arena a = {0};
	unsigned char *p[500];
	for (int i = 0; i < 500; i++) {
		p[i] = fl_arena_alloc(&a, (size_t)(i % 97) + 1);
		assert_int_equal((uintptr_t)p[i] % 8, 0);
		memset(p[i], i % 256, (size_t)(i % 97) + 1);
	}
	for (int i = 0; i < 500; i++)
		for (int k = 0; k < i % 97 + 1; k++)
			assert_int_equal(p[i][k], i % 256);
	fl_arena_free(&a);
}

static void arena_reuses_its_memory_after_a_reset(void **s)
{
	(void)s;
	struct fl_arena a = {0};
	void *first = fl_arena_alloc(&a, 100);
	fl_arena_alloc(&a, 100000);
	fl_arena_reset(&a);
	assert_ptr_equal(fl_arena_alloc(&a, 100), first);
	fl_arena_free(&a);
	fl_arena_reset(&a); /* also an empty one */
	fl_arena_free(&a);
}

static void arena_gives_big_blocks_back(void **s)
{
	(void)s;
	struct fl_arena a = {0};
	for (int round = 0; round < 3; round++) {
		char *p = fl_arena_alloc(&a, (size_t)3 << 20);
		p[0] = p[((size_t)3 << 20) - 1] = 1;
		assert_non_null(a.first);
		fl_arena_reset(&a);
		assert_null(a.first);
	}
	fl_arena_free(&a);
}

static void copies_are_copies(void **s)
{
	(void)s;
	struct fl_arena a = {0};
	char text[] = "boat";
	struct fl_str c = fl_arena_copy(&a, text, 4);
	text[0] = 'g';
	assert_true(fl_str_eq(c, fl_str("boat")));
	assert_false(fl_str_eq(c, fl_str("boats")));
	assert_true(fl_str_eq((struct fl_str){NULL, 0}, fl_arena_copy(&a, "", 0)));
	fl_arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer_grows_and_keeps_its_bytes),
		cmocka_unit_test(buffer_adds_nothing_from_nowhere),
		cmocka_unit_test(printf_fits_any_length),
		cmocka_unit_test(arena_is_aligned_and_disjoint),
		cmocka_unit_test(arena_reuses_its_memory_after_a_reset),
		cmocka_unit_test(arena_gives_big_blocks_back),
		cmocka_unit_test(copies_are_copies),
	};
	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
