// SPDX-License-Identifier: MIT
/* Pieces of a row of units: handed out, given back, joined, and kept back for a while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "collector/extents.h"

static void the_first_place_that_fits(void **state)
{
	struct extents e = {0};

	assert_int_equal(extents_take(&e, 1), EXTENTS_NONE);
	extents_give(&e, 10, 5);
	extents_give(&e, 20, 10);
	assert_int_equal(e.free, 15);
	assert_int_equal(extents_take(&e, 6), 20);
	assert_int_equal(extents_take(&e, 5), 10);
	assert_int_equal(extents_take(&e, 5), EXTENTS_NONE); /* four are left */
	assert_int_equal(extents_take(&e, 4), 26);
	assert_int_equal(e.free, 0);
	assert_int_equal(e.n, 0);
	extents_free(&e);
}

static void neighbours_become_one(void **state)
{
	struct extents e = {0};

	extents_give(&e, 10, 10);
	extents_give(&e, 30, 10);
	assert_int_equal(e.n, 2);
	extents_give(&e, 5, 5);	 /* before */
	extents_give(&e, 40, 5); /* behind */
	assert_int_equal(e.n, 2);
	extents_give(&e, 20, 10); /* in the gap */
	assert_int_equal(e.n, 1);
	assert_int_equal(e.items[0].start, 5);
	assert_int_equal(e.items[0].length, 40);
	extents_give(&e, 7, 0);
	assert_int_equal(e.free, 40);
	assert_int_equal(extents_take(&e, 40), 5);
	extents_free(&e);
}

static void retired_pieces_wait(void **state)
{
	struct extents e = {0};

	extents_give(&e, 0, 100);
	assert_int_equal(extents_take(&e, 60), 0);
	assert_int_equal(extents_take(&e, 40), 60);
	extents_retire(&e, 60, 40, 1000);
	extents_retire(&e, 0, 60, 1500);
	assert_int_equal(e.free, 0);
	extents_settle(&e, 1099, 100);
	assert_int_equal(extents_take(&e, 1), EXTENTS_NONE);
	extents_settle(&e, 1100, 100);
	assert_int_equal(e.free, 40);
	assert_int_equal(e.n_retired, 1);
	assert_int_equal(extents_take(&e, 40), 60);
	extents_settle(&e, 9000, 100);
	assert_int_equal(e.n_retired, 0);
	assert_int_equal(extents_take(&e, 60), 0);
	extents_free(&e);
}

/* Against a map of all units. */
#define UNITS 512
static void no_unit_twice(void **state)
{
	struct extents e = {0};
	struct extent taken[UNITS];
	bool used[UNITS] = {false};
	size_t n = 0, free_units = UNITS;
	uint32_t random = 12345;

	extents_give(&e, 0, UNITS);
	for (int round = 0; round < 20000; round++) {
		random = random * 1103515245 + 12345;
		uint32_t length = 1 + (random >> 16) % 24;

		if (random >> 30 && n) { /* three times out of four */
			size_t i = (random >> 8) % n;
			memset(used + taken[i].start, false, taken[i].length);
			extents_give(&e, taken[i].start, taken[i].length);
			free_units += taken[i].length;
			taken[i] = taken[--n];
		}
		uint32_t start = extents_take(&e, length), run = 0;
		if (start == EXTENTS_NONE) {
			for (uint32_t i = 0; i < UNITS; i++) {
				run = used[i] ? 0 : run + 1;
				assert_true(run < length);
			}
			continue;
		}
		assert_true(start + length <= UNITS);
		for (uint32_t i = start; i < start + length; i++) {
			assert_false(used[i]);
			used[i] = true;
		}
		taken[n++] = (struct extent){start, length};
		free_units -= length;
		assert_int_equal(e.free, free_units);
	}
	while (n--)
		extents_give(&e, taken[n].start, taken[n].length);
	assert_int_equal(e.n, 1);
	assert_int_equal(e.items[0].length, UNITS);
	extents_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_place_that_fits),
		cmocka_unit_test(neighbours_become_one),
		cmocka_unit_test(retired_pieces_wait),
		cmocka_unit_test(no_unit_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
