/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../preload/table.h"

#include "../../preload/table.c"

#define SLOTS	(BUCKETS * BUCKET_SLOTS)
#define THREADS 4

static void *at(uintptr_t address)
{
	return (void *)address;
}

static bool add(uintptr_t address, uint64_t size)
{
	return table_add(at(address), &(struct table_entry){size, (uint16_t)(address >> 4)});
}

/* Its size, or 0: it is not there. */
static uint64_t take(uintptr_t address)
{
	struct table_entry entry;

	if (!table_take(at(address), &entry))
		return 0;
	assert_int_equal(entry.random, (uint16_t)(address >> 4));
	return entry.size;
}

static int fresh(void **state)
{
	for (unsigned int i = 0; i < BUCKETS; i++)
		buckets[i] = (struct bucket){0};
	for (unsigned int i = 0; i < TABLE_FILTER_SIZE; i++)
		table_filter[i] = 0;
	used = false;
	table_spread(1 << 19);
	return 0;
}

static void assert_empty(void)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		assert_int_equal(buckets[i / BUCKET_SLOTS].keys[i % BUCKET_SLOTS], 0);
	for (unsigned int i = 0; i < TABLE_FILTER_SIZE; i++)
		assert_int_equal(table_filter[i], 0);
}

static void test_what_is_added_is_taken_once(void **state)
{
	const uint64_t size = (1ull << 47) - 1;

	assert_false(table_may_have(at(0x7f0012345670)));
	assert_int_equal(take(0x7f0012345670), 0);
	assert_true(add(0x7f0012345670, size));
	assert_true(table_may_have(at(0x7f0012345670)));
	assert_int_equal(take(0x7f0012345660), 0);
	assert_int_equal(take(0x7f0012345670), size);
	assert_int_equal(take(0x7f0012345670), 0);
	assert_false(table_may_have(NULL));
	assert_int_equal(take(0), 0);
	/* Where its bits are not free. */
	assert_false(add(0x7f0012345671, 1));
	assert_empty();
}

static void test_neighbours_share_a_line(void **state)
{
	/* One sample in 512 KiB: eight in 4 MiB, in eight buckets next to each other. */
	for (uintptr_t i = 0; i < 8; i++)
		assert_ptr_equal(
			bucket_of(0x7f0000000000 + (i << 19), 0), bucket_of(0x7f0000000000, 0) + i);
	assert_ptr_equal(
		table_filter_of(at(0x7f0000001000)), table_filter_of(at(0x7f0000000000)) + 1);
	table_spread(1);
	assert_ptr_equal(bucket_of(0x7f0000000080, 0), bucket_of(0x7f0000000000, 0) + 1);
	table_spread(1ull << 40);
	assert_ptr_equal(bucket_of(0x7f0000080000, 0), bucket_of(0x7f0000000000, 0) + 1);
}

/* All of it is used before there is no room, but for what the two choices leave. */
static void test_full(void **state)
{
	unsigned int n = 0;

	table_spread(1);
	while (add(0x7f0000000000 + 16ull * n, n + 1))
		n++;
	assert_in_range(n, SLOTS * 8 / 10, SLOTS);
	assert_false(add(0x7f0000000000 + 16ull * n, 1));
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(take(0x7f0000000000 + 16ull * i), i + 1);
	for (unsigned int i = 0; i < SLOTS; i++)
		assert_int_equal(buckets[i / BUCKET_SLOTS].keys[i % BUCKET_SLOTS], 0);
}

static void test_counts_of_pages_stick(void **state)
{
	table_spread(1);
	for (unsigned int i = 0; i < 253; i++)
		assert_true(add(0x7f0000000000 + 16ull * i, 1));
	for (unsigned int i = 0; i < 253; i++)
		assert_int_equal(take(0x7f0000000000 + 16ull * i), 1);
	assert_false(table_may_have(at(0x7f0000000000)));
	for (unsigned int i = 0; i < 255; i++)
		assert_true(add(0x7f0000000000 + 16ull * i, 1));
	assert_true(add(0x7f0000000ff0, 1));
	for (unsigned int i = 0; i < 256; i++)
		assert_int_equal(take(0x7f0000000000 + 16ull * i), 1);
	/* It does not know any more how many there are, and stays on the safe side. */
	assert_true(table_may_have(at(0x7f0000000000)));
	table_keep_filtered(at(0x7f0000005ff8), 16);
	assert_true(table_may_have(at(0x7f0000005000)));
	assert_true(table_may_have(at(0x7f0000006000)));
	assert_false(table_may_have(at(0x7f0000007000)));
}

static void test_forgotten(void **state)
{
	table_forget();
	assert_int_equal(now(), 0);
	assert_true(add(0x7f0000000000, 1));
	assert_true(add(0x7f0000100000, 2));
	table_forget();
	table_forget();
	assert_int_equal(now(), 1);
	assert_int_equal(take(0x7f0000000000), 0);
	assert_true(add(0x7f0000000000, 3));
	assert_int_equal(take(0x7f0000000000), 3);
	assert_int_equal(take(0x7f0000100000), 0);
	assert_empty();
}

/* What was forgotten makes room. */
static void test_full_of_what_was_forgotten(void **state)
{
	unsigned int n = 0;

	table_spread(1);
	while (add(0x7f0000000000 + 16ull * n, 1))
		n++;
	table_forget();
	for (unsigned int i = 0; i < n; i++)
		assert_true(add(0x7e0000000000 + 16ull * i, 2) || i > n / 2);
	assert_int_equal(take(0x7f0000000000 + 16ull * (n - 1)), 0);
	for (unsigned int i = 0; i < n / 2; i++)
		assert_int_equal(take(0x7e0000000000 + 16ull * i), 2);
}

/* What threads hand on to each other, in a ring: one adds, the next takes and adds another. */
static struct {
	uintptr_t address[1024];
	pthread_barrier_t barrier;
} ring;

static void *pass_on(void *argument)
{
	const uintptr_t mine = (uintptr_t)argument;

	for (unsigned int round = 0; round < 400; round++) {
		for (uintptr_t i = mine; i < 1024; i += THREADS) {
			uintptr_t *slot = &ring.address[(i + round) % 1024];

			if (*slot && take(*slot) != *slot >> 12)
				return "lost";
			/* Five to a bucket. */
			*slot = 0x7f0000000000 + (i * 401 + round) * 64;
			if (!add(*slot, *slot >> 12))
				return "full";
		}
		pthread_barrier_wait(&ring.barrier);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];

	table_spread(1 << 17);
	pthread_barrier_init(&ring.barrier, NULL, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, pass_on, at(i)), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		void *complaint;

		assert_int_equal(pthread_join(threads[i], &complaint), 0);
		if (complaint)
			fail_msg("%s", (char *)complaint);
	}
	for (unsigned int i = 0; i < 1024; i++)
		assert_int_equal(take(ring.address[i]), ring.address[i] >> 12);
	assert_empty();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_is_added_is_taken_once, fresh),
		cmocka_unit_test_setup(test_neighbours_share_a_line, fresh),
		cmocka_unit_test_setup(test_full, fresh),
		cmocka_unit_test_setup(test_counts_of_pages_stick, fresh),
		cmocka_unit_test_setup(test_forgotten, fresh),
		cmocka_unit_test_setup(test_full_of_what_was_forgotten, fresh),
		cmocka_unit_test_setup(test_threads, fresh),
	};

	return cmocka_run_group_tests_name("heap_table", tests, NULL, NULL);
}
