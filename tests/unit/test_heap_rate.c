// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/heap_rate.h"

#define SECOND 1000000000ULL

static void test_what_fits_is_kept(void **state)
{
	assert_int_equal(heap_rate_next(UINT32_MAX, 0, SECOND), UINT32_MAX);
	assert_int_equal(heap_rate_next(UINT32_MAX, HEAP_RATE_MAX, SECOND), UINT32_MAX);
	assert_int_equal(heap_rate_next(UINT32_MAX, 2 * HEAP_RATE_MAX, 2 * SECOND), UINT32_MAX);
	/* No time has passed: nothing is known. */
	assert_int_equal(heap_rate_next(UINT32_MAX, 1000, 0), UINT32_MAX);
}

static void test_of_too_many_a_share(void **state)
{
	assert_int_equal(heap_rate_next(UINT32_MAX, 4 * HEAP_RATE_MAX, SECOND), 1u << 30);
	assert_int_equal(heap_rate_next(UINT32_MAX, 4 * HEAP_RATE_MAX, 2 * SECOND), 1u << 31);
	/* It is of all that came, so the share in force does not matter. */
	assert_int_equal(heap_rate_next(1u << 30, 4 * HEAP_RATE_MAX, SECOND), 1u << 30);
	assert_true(heap_rate_next(UINT32_MAX, UINT64_MAX, SECOND) > 0);
}

static void test_back_by_halves(void **state)
{
	uint32_t keep = 1u << 28;

	for (uint32_t wanted = 1u << 29; wanted; wanted *= 2) {
		keep = heap_rate_next(keep, 0, SECOND);
		assert_int_equal(keep, wanted);
	}
	assert_int_equal(heap_rate_next(keep, 0, SECOND), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_fits_is_kept),
		cmocka_unit_test(test_of_too_many_a_share),
		cmocka_unit_test(test_back_by_halves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
