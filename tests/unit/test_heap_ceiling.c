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

#define SECOND 1000000000ULL

static void assert_share(uint32_t share, double seen, double gap)
{
	assert_true(fabs(share / 4294967296.0 - seen / (seen + gap)) < 1e-6);
}

/* What is seen stands for the gap before it, once. */
static void test_gaps(void **state)
{
	struct heap_gap gap = {0};
	(void)state;

	assert_int_equal(heap_gap_share(&gap, 5 * SECOND, 6 * SECOND), 0);
	heap_gap_open(&gap, 10 * SECOND);
	/* Whatever was attached then, it was not at the end of the gap. */
	assert_int_equal(heap_gap_share(&gap, 11 * SECOND, 12 * SECOND), 0);
	heap_gap_close(&gap, 13 * SECOND);
	assert_share(heap_gap_share(&gap, 13 * SECOND, 14 * SECOND), 1, 3);
	/* A file that is mapped much later begins none. */
	assert_int_equal(heap_gap_share(&gap, 70 * SECOND, 71 * SECOND), 0);
	heap_gap_open(&gap, 80 * SECOND);
	heap_gap_close(&gap, 82 * SECOND);
	assert_share(heap_gap_share(&gap, 82 * SECOND, 83 * SECOND), 1, 2);
}

/* A gap whose end nobody saw goes on in the next; one that ends late has an end. */
static void test_gaps_one_after_the_other(void **state)
{
	struct heap_gap gap = {0};
	(void)state;

	heap_gap_open(&gap, 10 * SECOND);
	heap_gap_close(&gap, 12 * SECOND);
	heap_gap_open(&gap, 13 * SECOND);
	assert_int_equal(heap_gap_share(&gap, 14 * SECOND, 15 * SECOND), 0);
	heap_gap_close(&gap, 15 * SECOND);
	assert_share(heap_gap_share(&gap, 18 * SECOND, 16 * SECOND), 0.1, 8);
}

/* Ticks until it is released. */
static unsigned patience_of(struct heap_patience *p)
{
	unsigned n = 1;

	heap_patience_limited(p);
	while (!heap_patience_tick(p, true))
		n++;
	return n;
}

static void stay_free(struct heap_patience *p, unsigned ticks)
{
	while (ticks--)
		heap_patience_free(p);
}

static void test_patience(void **state)
{
	const unsigned wanted[] = {60, 120, 240, 480, 960, 1920, 3600, 3600};
	struct heap_patience p = {0};
	(void)state;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		assert_int_equal(patience_of(&p), wanted[i]);
		stay_free(&p, wanted[i]);
	}
	/* It was right to release it. */
	stay_free(&p, 3601);
	assert_int_equal(patience_of(&p), HEAP_CALM_TICKS);
}

static void test_calm_is_without_a_break(void **state)
{
	struct heap_patience p = {0};
	(void)state;

	heap_patience_limited(&p);
	for (unsigned i = 0; i < 1000; i++)
		assert_false(heap_patience_tick(&p, i % HEAP_CALM_TICKS != 0));
	assert_int_equal(p.wanted, HEAP_CALM_TICKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_fit),
		cmocka_unit_test(test_the_largest_are_held),
		cmocka_unit_test(test_together_they_cost_the_ceiling),
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_gaps_one_after_the_other),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_calm_is_without_a_break),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
