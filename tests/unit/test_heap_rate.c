// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/heap_rate.h"

#define SECOND 1000000000ULL

static int setup(void **state)
{
	*state = heap_rate_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	heap_rate_free(*state);
	return 0;
}

static void come(struct heap_rate *r, uint32_t pid, uint64_t n, uint32_t kept)
{
	while (n--)
		heap_rate_came(r, pid, kept);
}

/* UINT32_MAX: all. */
static uint32_t share_of(const struct profd_heap *heap, uint32_t pid)
{
	for (size_t i = 0; i < PROFD_SHARES && heap->shares[i]; i++)
		if (heap->shares[i] >> 32 == pid)
			return (uint32_t)heap->shares[i];
	return heap->keep;
}

static void test_what_fits_is_kept(void **state)
{
	struct profd_heap heap;

	come(*state, 1, HEAP_RATE_PROCESS_MAX, UINT32_MAX);
	come(*state, 2, HEAP_RATE_PROCESS_MAX, UINT32_MAX);
	heap_rate_hold(*state, 2 * HEAP_RATE_PROCESS_MAX, SECOND, &heap);
	assert_int_equal(share_of(&heap, 1), UINT32_MAX);
	assert_int_equal(share_of(&heap, 2), UINT32_MAX);
	assert_int_equal(heap.keep, UINT32_MAX);
}

static void test_one_storms_and_the_others_are_whole(void **state)
{
	struct profd_heap heap;

	come(*state, 1, 4ULL * HEAP_RATE_PROCESS_MAX, UINT32_MAX);
	come(*state, 2, HEAP_RATE_PROCESS_MAX, UINT32_MAX);
	heap_rate_hold(*state, 5ULL * HEAP_RATE_PROCESS_MAX, SECOND, &heap);
	assert_int_equal(share_of(&heap, 1), 1u << 30);
	assert_int_equal(share_of(&heap, 2), UINT32_MAX);
	assert_int_equal(heap.keep, UINT32_MAX);
	/* Each record of the next second stands for four. */
	come(*state, 1, HEAP_RATE_PROCESS_MAX, 1u << 30);
	heap_rate_hold(*state, 4ULL * HEAP_RATE_PROCESS_MAX, SECOND, &heap);
	assert_int_equal(share_of(&heap, 1), 1u << 30);
}

static void test_many_share_the_room(void **state)
{
	struct profd_heap heap;

	for (uint32_t pid = 1; pid <= 5; pid++)
		come(*state, pid, HEAP_RATE_MAX / 2, UINT32_MAX);
	come(*state, 6, 100, UINT32_MAX);
	heap_rate_hold(*state, HEAP_RATE_MAX / 2 * 5 + 100, SECOND, &heap);
	for (uint32_t pid = 1; pid <= 5; pid++)
		assert_in_range(share_of(&heap, pid), 0.39 * UINT32_MAX, 0.4 * UINT32_MAX);
	assert_int_equal(share_of(&heap, 6), UINT32_MAX);
}

/* More than have a share of their own: the others have one together. */
static void test_very_many_storm(void **state)
{
	struct profd_heap heap;
	const uint32_t n = 2 * PROFD_SHARES;
	double kept = 0;

	for (uint32_t pid = 1; pid <= n; pid++)
		come(*state, pid, HEAP_RATE_MAX / PROFD_SHARES, UINT32_MAX);
	heap_rate_hold(*state, 2ULL * HEAP_RATE_MAX, SECOND, &heap);
	for (uint32_t pid = 1; pid <= n; pid++)
		kept += share_of(&heap, pid) / 4294967296.0 * HEAP_RATE_MAX / PROFD_SHARES;
	assert_in_range(kept, 0.99 * HEAP_RATE_MAX, 1.01 * HEAP_RATE_MAX);
}

static void test_what_was_lost_counts(void **state)
{
	struct profd_heap heap;

	come(*state, 1, 3000, UINT32_MAX);
	come(*state, 2, 1000, UINT32_MAX);
	heap_rate_hold(*state, 4ULL * HEAP_RATE_PROCESS_MAX, SECOND, &heap);
	assert_in_range(share_of(&heap, 1), (1u << 30) + (1u << 28), (1u << 31));
	assert_int_equal(share_of(&heap, 2), UINT32_MAX);
}

static void test_all_was_lost(void **state)
{
	struct profd_heap heap;

	heap_rate_hold(*state, 4ULL * HEAP_RATE_MAX, SECOND, &heap);
	assert_int_equal(share_of(&heap, 1), 1u << 30);
}

static void test_back_by_halves(void **state)
{
	struct profd_heap heap;

	come(*state, 1, 16ULL * HEAP_RATE_PROCESS_MAX, UINT32_MAX);
	heap_rate_hold(*state, 16ULL * HEAP_RATE_PROCESS_MAX, SECOND, &heap);
	assert_int_equal(share_of(&heap, 1), 1u << 28);
	for (uint32_t wanted = 1u << 29; wanted; wanted *= 2) {
		heap_rate_hold(*state, 0, SECOND, &heap);
		assert_int_equal(share_of(&heap, 1), wanted);
	}
	heap_rate_hold(*state, 0, SECOND, &heap);
	assert_int_equal(share_of(&heap, 1), UINT32_MAX);
	assert_int_equal(heap.shares[0], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_fits_is_kept),
		TEST(test_one_storms_and_the_others_are_whole),
		TEST(test_many_share_the_room),
		TEST(test_very_many_storm),
		TEST(test_what_was_lost_counts),
		TEST(test_all_was_lost),
		TEST(test_back_by_halves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
