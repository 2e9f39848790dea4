/* The pool of a script's small blocks: what a block holds survives each change of its size, from class to class and
 * over the border to malloc; a pool that is full goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "script/pool.h"

static void keeps_content(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 16, 17, 500, 1024, 1025, 100000, 1024, 40, 2000, 3, 1};
	struct fl_pool pool = {0};
	size_t was = 1, least;
	unsigned char *p = fl_pool_realloc(&pool, NULL, 0, 1);
	*p = 1;
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		p = fl_pool_realloc(&pool, p, was, sizes[k]);
		least = was < sizes[k] ? was : sizes[k];
		for (size_t i = 0; i < least; i++)
			assert_int_equal(p[i], (unsigned char)(i * 7 + 1));
		was = sizes[k];
		for (size_t i = 0; i < was; i++)
			p[i] = (unsigned char)(i * 7 + 1);
	}
	assert_null(fl_pool_realloc(&pool, p, was, 0));
	fl_pool_free(&pool);
}

static void blocks_do_not_overlap(void **state)
{
	(void)state;
	enum { BLOCKS = 40000 }; /* more than the mapping holds */
	static unsigned char *block[BLOCKS];
	struct fl_pool pool = {0};
	for (int round = 0; round < 2; round++) {
		for (int k = 0; k < BLOCKS; k++) {
			size_t n = 1 + (size_t)(k * 37 + round * 11) % FL_POOL_BLOCK;
			block[k] = fl_pool_realloc(&pool, NULL, 0, n);
			assert_int_equal((uintptr_t)block[k] % 16, 0);
			memset(block[k], k & 255, n);
		}
		for (int k = 0; k < BLOCKS; k++) {
			size_t n = 1 + (size_t)(k * 37 + round * 11) % FL_POOL_BLOCK;
			assert_int_equal(block[k][0], k & 255);
			assert_int_equal(block[k][n - 1], k & 255);
			fl_pool_realloc(&pool, block[k], n, 0);
		}
	}
	fl_pool_free(&pool);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_content),
		cmocka_unit_test(blocks_do_not_overlap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
