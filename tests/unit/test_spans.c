// SPDX-License-Identifier: MIT
/* Nested ranges made flat, beside the plain way: painting every address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "symbolizer/spans.h"

#define BASE 0x7f0000001000ULL
#define SIZE 200

static void expect(struct spans *s, const uint32_t *painted)
{
	struct boundary *found;
	size_t n;

	assert_int_equal(spans_flatten(s, &found, &n), 0);
	for (uint64_t i = 0; i < SIZE; i++)
		assert_int_equal(boundaries_find(found, n, s->base, BASE + i), painted[i]);
	for (size_t i = 1; i < n; i++) {
		assert_true(found[i].start > found[i - 1].start);
		assert_int_not_equal(found[i].id, found[i - 1].id);
	}
	free(found);
	spans_free(s);
}

static void add(struct spans *s, uint32_t low, uint32_t high, uint32_t id, uint32_t parent)
{
	assert_int_equal(spans_add(s, BASE + low, BASE + high, id, parent), 0);
}

static void nothing_is_nowhere(void **state)
{
	static const uint32_t nothing[SIZE];
	struct spans s = {0};

	add(&s, 5, 5, 1, 0);
	expect(&s, nothing);
}

static void inner_ranges_win(void **state)
{
	uint32_t painted[SIZE] = {0};
	struct spans s = {0};

	/* A function in two parts, an inlined call in both, one in that, and a neighbour. */
	add(&s, 100, 150, 1, 0);
	add(&s, 10, 50, 1, 0);
	add(&s, 20, 30, 2, 1);
	add(&s, 100, 110, 2, 1);
	add(&s, 25, 30, 3, 2);
	add(&s, 50, 60, 4, 0);
	for (unsigned i = 0; i < SIZE; i++) {
		painted[i] = (i >= 10 && i < 50) || (i >= 100 && i < 150) ? 1 : 0;
		painted[i] = (i >= 20 && i < 25) || (i >= 100 && i < 110) ? 2 : painted[i];
		painted[i] = i >= 25 && i < 30 ? 3 : i >= 50 && i < 60 ? 4 : painted[i];
	}
	expect(&s, painted);
}

static void what_contradicts_is_cut(void **state)
{
	uint32_t painted[SIZE] = {0};
	struct spans s = {0};

	/* A child that reaches beyond its parent, a sibling that overlaps it, an orphan. */
	add(&s, 10, 50, 1, 0);
	add(&s, 20, 90, 2, 1);
	add(&s, 15, 30, 3, 1);
	add(&s, 120, 130, 4, 1);
	for (unsigned i = 10; i < 50; i++)
		painted[i] = i < 15 ? 1 : i < 30 ? 3 : 2;
	expect(&s, painted);
}

static void units_may_overlap(void **state)
{
	uint32_t painted[SIZE] = {0};
	struct spans s = {0};

	add(&s, 90, 120, 1, SPANS_ANY);
	add(&s, 10, 100, 2, SPANS_ANY);
	add(&s, 20, 30, 3, SPANS_ANY);
	add(&s, 40, 50, 1, SPANS_ANY);
	add(&s, 60, 110, 4, SPANS_ANY);
	add(&s, 110, 130, 4, SPANS_ANY);
	for (unsigned i = 10; i < 130; i++)
		painted[i] = i >= 120 ? 4 : i >= 90 || (i >= 40 && i < 50) ? 1 : 2;
	expect(&s, painted);
}

/* Random trees with disjoint siblings. Painting in the order of ids is the truth. */
static unsigned random_below(unsigned *seed, unsigned n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % n;
}

static uint32_t plant(struct spans *s, uint32_t *painted, unsigned *seed, uint32_t low,
	uint32_t high, uint32_t parent, uint32_t next)
{
	while (high - low > 2) {
		uint32_t from = low + random_below(seed, high - low);
		uint32_t to = from + 1 + random_below(seed, high - from);
		uint32_t id = next++;

		add(s, from, to, id, parent);
		for (uint32_t i = from; i < to; i++)
			painted[i] = id;
		next = plant(s, painted, seed, from, to, id, next);
		low = to;
		if (low >= high)
			break;
	}
	return next;
}

static void random_trees_agree(void **state)
{
	unsigned seed = 1;

	for (unsigned round = 0; round < 500; round++) {
		uint32_t painted[SIZE] = {0};
		struct spans s = {0};

		plant(&s, painted, &seed, 0, SIZE, 0, 1);
		expect(&s, painted);
	}
}

/* Whatever stands there, it ends soon. */
static void nonsense_ends(void **state)
{
	unsigned seed = 7;
	struct spans s = {0};
	struct boundary *found;
	size_t n;

	for (uint32_t id = 1; id <= 20000; id++) {
		uint32_t low = random_below(&seed, 10000), parent = random_below(&seed, id);

		add(&s, low, low + random_below(&seed, 9000), id, parent);
	}
	assert_int_equal(spans_flatten(&s, &found, &n), 0);
	for (size_t i = 1; i < n; i++)
		assert_true(found[i].start > found[i - 1].start);
	free(found);
	spans_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_nowhere),
		cmocka_unit_test(inner_ranges_win),
		cmocka_unit_test(what_contradicts_is_cut),
		cmocka_unit_test(units_may_overlap),
		cmocka_unit_test(random_trees_agree),
		cmocka_unit_test(nonsense_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
