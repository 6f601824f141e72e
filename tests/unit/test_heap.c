// SPDX-License-Identifier: MIT
/* test_heap.c - the books of a heap session: what is in use, by stack. */
#include "heap_fixture.h"

static void test_what_is_freed_is_not_in_use(void **state)
{
	struct fixture *f = *state;

	take(f, 1, 0x1000, 100, 7);
	take(f, 1, 0x2000, 50, 7);
	take(f, 1, 0x3000, 1, 8);
	assert_sums(f, 7, 2, 150, 2, 150);
	give_back(f, 1, 0x1000);
	assert_sums(f, 7, 2, 150, 1, 50);
	assert_sums(f, 8, 1, 1, 1, 1);
	/* A second time, or what nobody has: nothing. */
	give_back(f, 1, 0x1000);
	give_back(f, 2, 0x2000);
	assert_sums(f, 7, 2, 150, 1, 50);
	assert_int_equal(heap_stats(f->heap).unknown, 2);
	assert_int_equal(heap_stats(f->heap).live, 2);
}

static void test_processes_have_addresses_of_their_own(void **state)
{
	struct fixture *f = *state;

	take(f, 1, 0x1000, 100, 7);
	take(f, 2, 0x1000, 10, 8);
	give_back(f, 2, 0x1000);
	assert_sums(f, 7, 1, 100, 1, 100);
	assert_sums(f, 8, 1, 10, 0, 0);
}

static void test_a_weight_is_subtracted_as_it_was_given(void **state)
{
	struct fixture *f = *state;
	struct profd_alloc alloc = alloc_of(1, 0x1000, 3, 524289 * ONE + 12345);
	uint32_t id = stack(f, 7);

	heap_place(f->heap, heap_alloc(f->heap, &alloc, f->window), f->window, id);
	assert_int_equal(window_heap(f->window, id)->inuse_bytes, alloc.weight);
	assert_int_equal(window_heap(f->window, id)->inuse_objects, (alloc.weight + 1) / 3);
	give_back(f, 1, 0x1000);
	assert_int_equal(window_heap(f->window, id)->alloc_bytes, alloc.weight);
	assert_int_equal(window_heap(f->window, id)->inuse_bytes, 0);
	assert_int_equal(window_heap(f->window, id)->inuse_objects, 0);
}

static void test_what_was_thinned_out_is_made_up_for(void **state)
{
	struct fixture *f = *state;
	struct profd_alloc alloc = alloc_of(1, 0x1000, 10, 10 * ONE);
	uint32_t id = stack(f, 7);

	alloc.kept = 1u << 30; /* a quarter */
	heap_place(f->heap, heap_alloc(f->heap, &alloc, f->window), f->window, id);
	assert_sums(f, 7, 4, 40, 4, 40);
}

static void test_freed_before_its_stack_is_known(void **state)
{
	struct fixture *f = *state;
	struct profd_alloc alloc = alloc_of(1, 0x1000, 10, 10 * ONE);
	uint64_t first = heap_alloc(f->heap, &alloc, f->window), second;

	give_back(f, 1, 0x1000);
	second = heap_alloc(f->heap, &alloc, f->window);
	heap_place(f->heap, first, f->window, stack(f, 7));
	assert_sums(f, 7, 1, 10, 0, 0);
	heap_place(f->heap, second, f->window, stack(f, 8));
	assert_sums(f, 8, 1, 10, 1, 10);
	/* Numbers that were used, and such as never were. */
	heap_place(f->heap, first, f->window, stack(f, 7));
	heap_place(f->heap, 0, f->window, stack(f, 7));
	heap_place(f->heap, 12345, f->window, stack(f, 7));
	heap_drop(f->heap, first);
	assert_sums(f, 7, 1, 10, 0, 0);
}

static void test_a_stack_that_never_comes(void **state)
{
	struct fixture *f = *state;
	struct profd_alloc alloc = alloc_of(1, 0x1000, 10, 10 * ONE);

	heap_drop(f->heap, heap_alloc(f->heap, &alloc, f->window));
	assert_int_equal(heap_stats(f->heap).live, 0);
	give_back(f, 1, 0x1000);
	take(f, 1, 0x1000, 10, 7);
	assert_sums(f, 7, 1, 10, 1, 10);
}

static void test_a_free_that_was_lost(void **state)
{
	struct fixture *f = *state;

	take(f, 1, 0x1000, 10, 7);
	take(f, 1, 0x1000, 20, 8);
	assert_sums(f, 7, 1, 10, 0, 0);
	assert_sums(f, 8, 1, 20, 1, 20);
	assert_int_equal(heap_stats(f->heap).replaced, 1);
}

static void test_too_many_to_remember(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 1; i <= 150; i++)
		take(f, 1 + i % 2, i * 16, 10, 7);
	assert_sums(f, 7, 150, 1500, 100, 1000);
	assert_int_equal(heap_stats(f->heap).full, 50);
	assert_int_equal(heap_stats(f->heap).crowded, 0);
	for (uint64_t i = 1; i <= 150; i++)
		give_back(f, 1 + i % 2, i * 16);
	assert_sums(f, 7, 150, 1500, 0, 0);
}

static void test_too_many_of_one_process(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 1; i <= 90; i++)
		take(f, 1, i * 32, 10, 7);
	assert_sums(f, 7, 90, 900, 75, 750);
	assert_int_equal(heap_stats(f->heap).full, 15);
	assert_int_equal(heap_stats(f->heap).crowded, 15);
	assert_int_equal(f->forgotten, 15);
	/* The others have room. */
	for (uint64_t i = 1; i <= 25; i++)
		take(f, 2, i * 32 + 16, 10, 8);
	assert_sums(f, 8, 25, 250, 25, 250);
	assert_int_equal(heap_stats(f->heap).full, 15);
	/* So has it, when it has freed some. */
	give_back(f, 1, 32);
	take(f, 1, 32, 10, 9);
	assert_sums(f, 9, 1, 10, 1, 10);
}

static void test_too_many_in_the_kernel(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 1; i <= 40; i++) {
		struct profd_alloc alloc = alloc_of(1, i * 32, 10, 10 * ONE);

		alloc.flags = PROFD_ALLOC_TRACED;
		heap_place(f->heap, heap_alloc(f->heap, &alloc, f->window), f->window, stack(f, 7));
	}
	assert_sums(f, 7, 40, 400, 30, 300);
	assert_int_equal(heap_stats(f->heap).crowded, 10);
	assert_int_equal(f->forgotten, 10);
}

static void test_the_end_of_a_process(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 1; i <= 30; i++)
		take(f, 1 + i % 2, i * 16, 10, i % 2);
	heap_end_process(f->heap, 2, 0);
	assert_int_equal(heap_stats(f->heap).live, 15);
	assert_int_equal(f->forgotten, 15);
	/* What was in use just before stays in the sums; another image has none of it. */
	give_back(f, 2, 16);
	assert_sums(f, 1, 15, 150, 15, 150);
	give_back(f, 1, 32);
	assert_sums(f, 0, 15, 150, 14, 140);
	heap_end_process(f->heap, 1, 0);
	assert_int_equal(heap_stats(f->heap).live, 0);
}

static void test_reallocs(void **state)
{
	struct fixture *f = *state;
	struct profd_free held = {
		.address = 0x1000,
		.process = {.pid = 1, .start_boottime = 1001},
		.flags = PROFD_FREE_HELD,
	};

	take(f, 1, 0x1000, 10, 7);
	heap_freed(f->heap, &held, f->window);
	assert_sums(f, 7, 1, 10, 0, 0);
	held.flags = PROFD_FREE_RESTORED;
	heap_freed(f->heap, &held, f->window);
	assert_sums(f, 7, 1, 10, 1, 10);
	/* There is nothing any more that could be restored. */
	heap_freed(f->heap, &held, f->window);
	assert_sums(f, 7, 1, 10, 1, 10);
	/* One that succeeds: its memory is another thread's before it returns. */
	held.flags = PROFD_FREE_HELD;
	heap_freed(f->heap, &held, f->window);
	take(f, 1, 0x1000, 20, 8);
	take(f, 1, 0x2000, 30, 9);
	assert_sums(f, 7, 1, 10, 0, 0);
	assert_sums(f, 8, 1, 20, 1, 20);
	assert_sums(f, 9, 1, 30, 1, 30);
	/* One of what is not known fails: it does not put back what was held before. */
	give_back(f, 1, 0x1000);
	heap_freed(f->heap, &held, f->window);
	held.flags = PROFD_FREE_RESTORED;
	heap_freed(f->heap, &held, f->window);
	assert_sums(f, 7, 1, 10, 0, 0);
	assert_sums(f, 8, 1, 20, 0, 0);
	assert_int_equal(heap_stats(f->heap).live, 1);
	assert_int_equal(heap_stats(f->heap).frees, 2);
}

static void test_a_restored_address_that_is_taken(void **state)
{
	struct fixture *f = *state;
	struct profd_free held = {
		.address = 0x1000,
		.process = {.pid = 1, .start_boottime = 1001},
		.flags = PROFD_FREE_HELD,
	};

	take(f, 1, 0x1000, 10, 7);
	heap_freed(f->heap, &held, f->window);
	take(f, 1, 0x1000, 20, 8);
	held.flags = PROFD_FREE_RESTORED;
	heap_freed(f->heap, &held, f->window);
	assert_sums(f, 7, 1, 10, 1, 10);
	assert_sums(f, 8, 1, 20, 0, 0);
	assert_int_equal(heap_stats(f->heap).live, 1);
	give_back(f, 1, 0x1000);
	assert_int_equal(heap_stats(f->heap).live, 0);
}

static void test_nothing_counts_as_a_byte(void **state)
{
	struct fixture *f = *state;
	struct profd_alloc alloc = alloc_of(1, 0x1000, 0, 64 * ONE);

	heap_place(f->heap, heap_alloc(f->heap, &alloc, f->window), f->window, stack(f, 7));
	assert_sums(f, 7, 64, 64, 64, 64);
}

static void test_whose_free_nobody_will_see(void **state)
{
	struct fixture *f = *state;
	struct profd_alloc alloc = alloc_of(1, 0x1000, 10, 10 * ONE);

	alloc.flags = PROFD_ALLOC_UNTRACKED;
	heap_place(f->heap, heap_alloc(f->heap, &alloc, f->window), f->window, stack(f, 7));
	assert_sums(f, 7, 1, 10, 0, 0);
	assert_int_equal(heap_stats(f->heap).full, 1);
}

static void test_where_it_is_nobody_knows(void **state)
{
	struct fixture *f = *state;
	struct profd_alloc alloc = alloc_of(1, 0, 10, 10 * ONE);

	alloc.flags = PROFD_ALLOC_BEGUN;
	for (int i = 0; i < 2; i++)
		heap_place(f->heap, heap_alloc(f->heap, &alloc, f->window), f->window, stack(f, 7));
	assert_sums(f, 7, 2, 20, 0, 0);
	assert_int_equal(heap_stats(f->heap).live, 0);
	assert_int_equal(heap_stats(f->heap).full, 0);
	assert_int_equal(heap_stats(f->heap).begun, 2);
	assert_int_equal(heap_stats(f->heap).replaced, 0);
}

static void test_ends_before_its_stack_is_known(void **state)
{
	struct fixture *f = *state;
	struct profd_alloc alloc = alloc_of(1, 0x20, 10, 10 * ONE);
	uint64_t allocation = heap_alloc(f->heap, &alloc, f->window);

	heap_end_process(f->heap, 1, 0);
	heap_place(f->heap, allocation, f->window, stack(f, 7));
	assert_sums(f, 7, 1, 10, 1, 10);
	/* Its place serves another, of which that is not true. */
	take(f, 1, 0x20, 10, 8);
	give_back(f, 1, 0x20);
	assert_sums(f, 8, 1, 10, 0, 0);
}

/* Against an array: everything that a table with holes and growth can do wrong. */
static void test_many_that_come_and_go(void **state)
{
	enum { ADDRESSES = 4096, STEPS = 200000 };
	const struct heap_limits limits = {.live = 2 * ADDRESSES};
	struct fixture *f = *state;
	uint32_t *sizes = calloc(ADDRESSES, sizeof(*sizes));
	uint64_t random = 88172645463325252ULL, in_use = 0, objects = 0;
	struct heap *large;

	assert_non_null(sizes);
	assert_int_equal(heap_new(&large, &limits, NULL, NULL), 0);
	heap_free(f->heap);
	f->heap = large;
	for (int i = 0; i < STEPS; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		uint64_t at = random % ADDRESSES;

		if (sizes[at]) {
			give_back(f, 1, 16 * at + 16);
			in_use -= sizes[at];
			objects--;
			sizes[at] = 0;
		} else {
			sizes[at] = 1 + (uint32_t)(random >> 40) % 1000;
			take(f, 1, 16 * at + 16, sizes[at], 7);
			in_use += sizes[at];
			objects++;
		}
	}
	assert_int_equal(window_heap(f->window, stack(f, 7))->inuse_bytes, in_use * ONE);
	assert_int_equal(window_heap(f->window, stack(f, 7))->inuse_objects, objects * ONE);
	assert_int_equal(heap_stats(f->heap).live, objects);
	assert_int_equal(heap_stats(f->heap).unknown, 0);
	free(sizes);
}

static void next_window(struct fixture *f, size_t max_bytes)
{
	struct window *next;

	assert_int_equal(window_new(&next, 0, 0, max_bytes), 0);
	window_keep_heap(next);
	assert_int_equal(heap_carry(f->heap, f->window, next), 0);
	window_unref(f->window);
	f->window = next;
}

static void test_in_use_from_window_to_window(void **state)
{
	struct fixture *f = *state;
	struct profd_alloc late = alloc_of(1, 0x6000, 5, 5 * ONE);
	struct profd_free held = {.address = 0x3000,
		.flags = PROFD_FREE_HELD,
		.process = {.pid = 1, .start_boottime = 1001}};
	uint64_t allocation;

	f->forgotten = 0;
	take(f, 1, 0x1000, 100, 7);
	take(f, 1, 0x2000, 50, 7);
	take(f, 1, 0x3000, 30, 8);
	take(f, 1, 0x4000, 4, 9);
	take(f, 2, 0x5010, 1000, 10);
	give_back(f, 1, 0x4000);
	heap_freed(f->heap, &held, f->window); /* a realloc is under way */
	allocation = heap_alloc(f->heap, &late, f->window);
	heap_end_process(f->heap, 2, 0);
	assert_sums(f, 10, 1, 1000, 1, 1000);

	next_window(f, 1); /* what is carried has room all the same */
	/* What is not in use is not there at all: 9, and 10, whose process has ended. 8 is held. */
	assert_int_equal(window_n_stacks(f->window), 2);
	assert_int_equal(window_samples(f->window), 0);
	give_back(f, 1, 0x1000);
	held.flags = PROFD_FREE_RESTORED;
	heap_freed(f->heap, &held, f->window);
	next_window(f, 1 << 20);
	heap_place(f->heap, allocation, f->window, stack(f, 11));
	assert_sums(f, 7, 0, 0, 1, 50);
	assert_sums(f, 8, 0, 0, 1, 30);
	assert_sums(f, 11, 1, 5, 1, 5);
	give_back(f, 1, 0x2000);
	give_back(f, 1, 0x3000);
	give_back(f, 1, 0x6000);
	assert_sums(f, 7, 0, 0, 0, 0);
	assert_sums(f, 8, 0, 0, 0, 0);
	assert_sums(f, 11, 1, 5, 0, 0);
	assert_int_equal(heap_stats(f->heap).live, 0);
}

/* A process that is watched a part of the time only. */
static void test_a_part_of_the_time(void **state)
{
	struct fixture *f = *state;

	f->forgotten = 0;
	take(f, 1, 0x1000, 100, 7);
	take(f, 2, 0x1010, 100, 7);
	struct profd_alloc alloc = alloc_of(1, 0x2000, 8, 8 * ONE);
	uint64_t waits = heap_alloc(f->heap, &alloc, f->window);
	assert_int_equal(heap_limit(f->heap, 1, UINT32_MAX, 0, f->window), 0);
	assert_int_equal(f->forgotten, 2);
	heap_place(f->heap, waits, f->window, stack(f, 8));
	assert_sums(f, 7, 2, 200, 1, 100);
	assert_sums(f, 8, 1, 8, 0, 0);

	assert_int_equal(heap_limit(f->heap, 1, 1u << 30, 0, f->window), 0);
	take(f, 1, 0x3000, 10, 9);
	take(f, 2, 0x3010, 10, 10);
	assert_sums(f, 9, 4, 40, 0, 0);
	assert_sums(f, 10, 1, 10, 1, 10);
	give_back(f, 1, 0x3000);
	assert_int_equal(heap_stats(f->heap).limited, 1);
	assert_int_equal(heap_stats(f->heap).full, 0);
	assert_int_equal(heap_stats(f->heap).live, 2);

	assert_int_equal(heap_limit(f->heap, 1, 0, 0, f->window), 0);
	take(f, 1, 0x4000, 10, 11);
	assert_sums(f, 11, 1, 10, 1, 10);
	assert_int_equal(heap_stats(f->heap).in_use, 120);
	/* It was so in this window, but is not in the next. */
	assert_int_equal(heap_stats(f->heap).limited, 1);
	next_window(f, 1 << 20);
	assert_int_equal(heap_stats(f->heap).limited, 0);
	assert_int_equal(heap_stats(f->heap).in_use, 120);
}

/* What is heard of late stands for what was so when it was allocated. */
static void test_a_part_of_the_past(void **state)
{
	struct fixture *f = *state;
	struct profd_alloc alloc = alloc_of(1, 0x1000, 10, 10 * ONE);
	const struct {
		uint64_t time, objects;
	} cases[] = {{SECOND - 1, 1}, {SECOND, 4}, {2 * SECOND - 1, 4}, {2 * SECOND, 1}};

	assert_int_equal(heap_limit(f->heap, 1, UINT32_MAX, 0, f->window), 0);
	assert_int_equal(heap_limit(f->heap, 1, 1u << 30, SECOND, f->window), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (i == 2) {
			assert_int_equal(
				heap_limit(f->heap, 1, UINT32_MAX, 2 * SECOND, f->window), 0);
			/* Nothing new. */
			assert_int_equal(
				heap_limit(f->heap, 1, UINT32_MAX, 3 * SECOND, f->window), 0);
		}
		alloc.head.time = cases[i].time;
		heap_place(f->heap, heap_alloc(f->heap, &alloc, f->window), f->window,
			stack(f, 7 + i));
		assert_sums(f, 7 + i, cases[i].objects, 10 * cases[i].objects, 0, 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_freed_is_not_in_use),
		TEST(test_processes_have_addresses_of_their_own),
		TEST(test_a_weight_is_subtracted_as_it_was_given),
		TEST(test_what_was_thinned_out_is_made_up_for),
		TEST(test_freed_before_its_stack_is_known),
		TEST(test_a_stack_that_never_comes),
		TEST(test_a_free_that_was_lost),
		TEST(test_too_many_to_remember),
		TEST(test_too_many_of_one_process),
		TEST(test_too_many_in_the_kernel),
		TEST(test_the_end_of_a_process),
		TEST(test_reallocs),
		TEST(test_a_restored_address_that_is_taken),
		TEST(test_nothing_counts_as_a_byte),
		TEST(test_whose_free_nobody_will_see),
		TEST(test_where_it_is_nobody_knows),
		TEST(test_ends_before_its_stack_is_known),
		TEST(test_many_that_come_and_go),
		TEST(test_in_use_from_window_to_window),
		TEST(test_a_part_of_the_time),
		TEST(test_a_part_of_the_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
