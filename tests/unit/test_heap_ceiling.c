// SPDX-License-Identifier: MIT
/* test_heap_ceiling.c - how long processes are watched, so that it costs no more than allowed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/heap_ceiling.h"

static void test_all_fit(void **state)
{
	double loads[] = {0.02, 0, 0.03};
	(void)state;

	assert_true(isinf(heap_ceiling_level(loads, 3, 0.05)));
	assert_true(isinf(heap_ceiling_level(loads, 0, 0.05)));
	assert_int_equal(heap_ceiling_pause(1, INFINITY, UINT32_MAX), 0);
}

/* Who costs little does not suffer from who costs much. */
static void test_the_largest_are_held(void **state)
{
	double loads[] = {0.5, 0.001, 0.02, 0.3};
	(void)state;

	double level = heap_ceiling_level(loads, 4, 0.05);
	assert_true(fabs(level - (0.05 - 0.001) / 3) < 1e-12);
	double one[] = {0.24};
	assert_true(fabs(heap_ceiling_level(one, 1, 0.05) - 0.05) < 1e-12);
}

static void test_together_they_cost_the_ceiling(void **state)
{
	double loads[50], sorted[50], sum = 0;
	(void)state;

	srandom(1);
	for (size_t i = 0; i < 50; i++)
		sorted[i] = loads[i] = pow((double)(random() % 1000) / 1000, 4);
	double level = heap_ceiling_level(sorted, 50, 0.5);
	for (size_t i = 0; i < 50; i++)
		sum += fmin(loads[i], level);
	assert_true(fabs(sum - 0.5) < 1e-9);
}

/* The mean is what it should be, also where that is less than a second. */
static void test_pauses(void **state)
{
	const double loads[] = {0.055, 0.12, 0.24, 1};
	(void)state;

	for (size_t i = 0; i < sizeof(loads) / sizeof(*loads); i++) {
		double sum = 0;
		for (uint32_t k = 0; k < 1000; k++)
			sum += heap_ceiling_pause(loads[i], 0.05, k * 4294967u);
		assert_true(fabs(sum / 1000 - (loads[i] / 0.05 - 1)) < 0.01);
	}
	assert_int_equal(heap_ceiling_pause(100, 0.05, 0), HEAP_CEILING_PAUSE);
	assert_int_equal(heap_ceiling_pause(1, 0, 0), HEAP_CEILING_PAUSE);
	assert_int_equal(heap_ceiling_pause(0.05, 0.05, UINT32_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_fit),
		cmocka_unit_test(test_the_largest_are_held),
		cmocka_unit_test(test_together_they_cost_the_ceiling),
		cmocka_unit_test(test_pauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
