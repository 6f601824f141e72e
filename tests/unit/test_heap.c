// SPDX-License-Identifier: MIT
/* test_heap.c - the books of a heap session: what is in use, by stack. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/heap.h"
#include "collector/heap_ages.h"
#include "collector/window.h"
#include "util/age_scale.h"
#include "util/brief_scale.h"

#define ONE    (1ULL << PROFD_WEIGHT_SHIFT)
#define SECOND 1000000000ULL

struct fixture {
	struct heap *heap;
	struct window *window;
	unsigned forgotten;
};

static void forgotten(void *userdata, uint64_t address, uint32_t pid, uint64_t time)
{
	struct fixture *f = userdata;

	assert_int_equal(address % 16, 0);
	assert_int_equal(pid, 1 + address / 16 % 2);
	f->forgotten++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	const struct heap_limits limits = {.live = 100, .traced = 40};

	if (!f || heap_new(&f->heap, &limits, forgotten, f) ||
		window_new(&f->window, 0, 0, 1 << 24))
		return -1;
	window_keep_heap(f->window);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	heap_free(f->heap);
	window_unref(f->window);
	free(f);
	return 0;
}

static struct profd_alloc alloc_of(uint32_t pid, uint64_t address, uint64_t size, uint64_t weight)
{
	return (struct profd_alloc){
		.address = address,
		.size = size,
		.weight = weight,
		.kept = UINT32_MAX,
		.sample.process = {.pid = pid, .start_boottime = 1000 + pid},
	};
}

/* The stack with this number as its only frame. */
static uint32_t stack(struct fixture *f, uint64_t number)
{
	const struct frame frame = {NULL, number};
	uint32_t id;

	assert_int_equal(window_add(f->window,
				 &(struct window_sample){
					 .pid = 1, .comm = "x", .frames = &frame, .n_frames = 1},
				 &id),
		0);
	return id;
}

static void take(struct fixture *f, uint32_t pid, uint64_t address, uint64_t size, uint64_t number)
{
	struct profd_alloc alloc = alloc_of(pid, address, size, size * ONE);
	uint64_t allocation = heap_alloc(f->heap, &alloc, f->window);

	assert_int_not_equal(allocation, 0);
	heap_place(f->heap, allocation, f->window, stack(f, number));
}

static void give_back(struct fixture *f, uint32_t pid, uint64_t address)
{
	const struct profd_free freed = {
		.address = address,
		.process = {.pid = pid, .start_boottime = 1000 + pid},
	};

	heap_freed(f->heap, &freed, f->window);
}

static void assert_sums(struct fixture *f, uint64_t number, uint64_t alloc_objects,
	uint64_t alloc_bytes, uint64_t inuse_objects, uint64_t inuse_bytes)
{
	const struct window_heap *sums = window_heap(f->window, stack(f, number));

	assert_int_equal(sums->alloc_objects, alloc_objects * ONE);
	assert_int_equal(sums->alloc_bytes, alloc_bytes * ONE);
	assert_int_equal(sums->inuse_objects, inuse_objects * ONE);
	assert_int_equal(sums->inuse_bytes, inuse_bytes * ONE);
}

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

/* ---- ages ----------------------------------------------------------------------------------- */

static uint64_t allocate_at(struct fixture *f, uint64_t time, uint64_t address, uint64_t size)
{
	struct profd_alloc alloc = alloc_of(1, address, size, size * ONE);

	alloc.head.time = time;
	return heap_alloc(f->heap, &alloc, f->window);
}

static void take_at(
	struct fixture *f, uint64_t time, uint64_t address, uint64_t size, uint64_t number)
{
	heap_place(f->heap, allocate_at(f, time, address, size), f->window, stack(f, number));
}

static void free_at(struct fixture *f, uint64_t time, uint64_t address, uint32_t flags)
{
	const struct profd_free freed = {
		.head.time = time,
		.address = address,
		.process = {.pid = 1, .start_boottime = 1001},
		.flags = flags,
	};

	heap_freed(f->heap, &freed, f->window);
}

/* Bytes of a stack that are, or were, at least `from` seconds old and less than the next step of
 * the scale; and that with all ages there is no more and no less in use than by the sums. */
static uint64_t of_age(
	struct fixture *f, uint64_t time, uint64_t number, enum age_kind kind, uint64_t from)
{
	const struct age_cell *cell = NULL;
	struct heap_moment *m;
	uint32_t id = stack(f, number);
	uint64_t found = 0, bytes = 0, objects = 0;

	assert_int_equal(heap_moment(f->heap, f->window, time, &m), 0);
	assert_non_null(m);
	while ((cell = heap_ages_next(&m->ages, id, cell))) {
		if (cell->kind == AGE_IN_USE) {
			bytes += cell->bytes;
			objects += cell->objects;
		}
		if (cell->kind == kind && age_scale_from(cell->step) == 1000 * from)
			found += cell->bytes;
	}
	assert_int_equal(bytes, window_heap(f->window, id)->inuse_bytes);
	assert_int_equal(objects, window_heap(f->window, id)->inuse_objects);
	assert_int_equal(m->sums[id].inuse_bytes, bytes);
	heap_moment_free(m);
	return found / ONE;
}

static void test_the_scale(void **state)
{
	for (unsigned i = 0; i < AGE_SCALE_STEPS; i++) {
		assert_int_equal(age_scale_step(age_scale_from(i)), i);
		assert_int_equal(age_scale_step(age_scale_from(i + 1) - 1), i);
	}
	assert_int_equal(age_scale_step(UINT64_MAX), AGE_SCALE_STEPS - 1);
}

static void test_ages_add_up_to_what_is_in_use(void **state)
{
	struct fixture *f = *state;
	const uint64_t begin = 1000 * SECOND, now = begin + 100 * SECOND;

	assert_int_equal(heap_keep_ages(f->heap), 0);
	take_at(f, begin, 0x1000, 100, 7);
	take_at(f, begin + 95 * SECOND, 0x2000, 20, 7);
	take_at(f, begin + 95 * SECOND, 0x3000, 3, 7);
	take_at(f, begin, 0x4000, 50, 8);
	assert_int_equal(of_age(f, now, 7, AGE_IN_USE, 90), 100);
	assert_int_equal(of_age(f, now, 7, AGE_IN_USE, 5), 23);
	free_at(f, begin + 98 * SECOND, 0x3000, 0);
	free_at(f, begin + 25 * SECOND, 0x4000, 0);
	assert_int_equal(of_age(f, now, 7, AGE_IN_USE, 5), 20);
	assert_int_equal(of_age(f, now, 7, AGE_FREED, 3), 3);
	assert_int_equal(of_age(f, now, 8, AGE_IN_USE, 90), 0);
	assert_int_equal(of_age(f, now, 8, AGE_FREED, 20), 50);
	/* A clock that steps back makes nothing old. */
	free_at(f, begin, 0x2000, 0);
	assert_int_equal(of_age(f, now, 7, AGE_FREED, 0), 20);
}

static void test_what_is_left_grows_no_older(void **state)
{
	struct fixture *f = *state;
	const uint64_t begin = 1000 * SECOND;

	assert_int_equal(heap_keep_ages(f->heap), 0);
	take_at(f, begin, 0x20, 100, 7);
	uint64_t waits = allocate_at(f, begin, 0x40, 10);
	heap_end_process(f->heap, 1, begin + 3 * SECOND);
	heap_place(f->heap, waits, f->window, stack(f, 8));
	assert_int_equal(of_age(f, begin + 100 * SECOND, 7, AGE_IN_USE, 3), 100);
	assert_int_equal(of_age(f, begin + 100 * SECOND, 8, AGE_IN_USE, 3), 10);
}

static void test_lifetimes_of_what_waits_for_its_stack(void **state)
{
	struct fixture *f = *state;
	const uint64_t begin = 1000 * SECOND, now = begin + 100 * SECOND;

	assert_int_equal(heap_keep_ages(f->heap), 0);
	uint64_t waits = allocate_at(f, begin, 0x1000, 10);
	free_at(f, begin + 2 * SECOND, 0x1000, 0);
	heap_place(f->heap, waits, f->window, stack(f, 7));
	assert_int_equal(of_age(f, now, 7, AGE_FREED, 2), 10);
	assert_int_equal(of_age(f, now, 7, AGE_IN_USE, 90), 0);
}

static void test_ages_of_reallocs(void **state)
{
	struct fixture *f = *state;
	const uint64_t begin = 1000 * SECOND, now = begin + 100 * SECOND;

	assert_int_equal(heap_keep_ages(f->heap), 0);
	take_at(f, begin, 0x1000, 10, 7);
	free_at(f, begin + 2 * SECOND, 0x1000, PROFD_FREE_HELD);
	assert_int_equal(of_age(f, now, 7, AGE_FREED, 2), 10);
	free_at(f, begin + 2 * SECOND, 0x1000, PROFD_FREE_RESTORED);
	assert_int_equal(of_age(f, now, 7, AGE_FREED, 2), 0);
	assert_int_equal(of_age(f, now, 7, AGE_IN_USE, 90), 10);
	/* Of one that fails before its memory has a stack. */
	uint64_t waits = allocate_at(f, begin, 0x2000, 30);
	free_at(f, begin + 2 * SECOND, 0x2000, PROFD_FREE_HELD);
	free_at(f, begin + 2 * SECOND, 0x2000, PROFD_FREE_RESTORED);
	heap_place(f->heap, waits, f->window, stack(f, 8));
	assert_int_equal(of_age(f, now, 8, AGE_IN_USE, 90), 30);
	assert_int_equal(of_age(f, now, 8, AGE_FREED, 2), 0);
}

/* Bytes of a stack that were temporary, and lived no longer than so many us. */
static uint64_t temporary(struct fixture *f, uint64_t number, uint64_t within)
{
	const struct age_cell *cell = NULL;
	struct heap_moment *m;
	uint64_t bytes = 0;

	assert_int_equal(heap_moment(f->heap, f->window, 2000 * SECOND, &m), 0);
	while ((cell = heap_ages_next(&m->ages, stack(f, number), cell)))
		if (cell->brief && brief_scale_within(cell->brief - 1u) == within) {
			assert_int_equal(cell->kind, AGE_FREED);
			bytes += cell->bytes;
		}
	heap_moment_free(m);
	return bytes / ONE;
}

static void free_by(
	struct fixture *f, uint32_t tid, uint64_t time, uint64_t address, uint32_t flags)
{
	const struct profd_free freed = {
		.head.time = time,
		.address = address,
		.process = {.pid = 1, .start_boottime = 1001},
		.flags = flags,
		.tid = tid,
	};

	heap_freed(f->heap, &freed, f->window);
}

static void check_temporary(struct fixture *f)
{
	const uint64_t begin = 1000 * SECOND, us = 1000;

	for (uint64_t i = 0; i < 9; i++)
		take_at(f, begin, 0x1000 + 16 * i, 1 + i, 7);
	free_by(f, 0, begin, 0x1000, 0);
	free_by(f, 0, begin + 10 * us, 0x1010, 0);
	free_by(f, 0, begin + 11 * us, 0x1020, 0);
	free_by(f, 0, begin + 100 * us, 0x1030, 0);
	free_by(f, 0, begin + 100 * us + 1, 0x1040, 0); /* too late */
	free_by(f, 5, begin + us, 0x1050, 0);		/* by another thread */
	free_by(f, 0, begin + us, 0x1060, PROFD_FREE_HELD);
	free_by(f, 0, begin + us, 0x1070, PROFD_FREE_MOVED);
	assert_int_equal(temporary(f, 7, 10), 1 + 2);
	assert_int_equal(temporary(f, 7, 20), 3);
	assert_int_equal(temporary(f, 7, 50), 0);
	assert_int_equal(temporary(f, 7, 100), 4);
	assert_int_equal(temporary(f, 7, 200), 0);
	/* Freed before it has a stack. */
	uint64_t waits = allocate_at(f, begin, 0x2000, 30);
	free_by(f, 0, begin + 15 * us, 0x2000, 0);
	heap_place(f->heap, waits, f->window, stack(f, 8));
	waits = allocate_at(f, begin, 0x2000, 40);
	free_by(f, 5, begin + 15 * us, 0x2000, 0);
	heap_place(f->heap, waits, f->window, stack(f, 8));
	assert_int_equal(temporary(f, 8, 20), 30);
	assert_sums(f, 7, 9, 45, 1, 9);
}

static void test_what_is_temporary(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(heap_keep_temporary(f->heap, 100000), 0);
	check_temporary(f);
	/* Nothing else has a cell. */
	struct heap_moment *m;
	const struct age_cell *cell = NULL;
	assert_int_equal(heap_moment(f->heap, f->window, 2000 * SECOND, &m), 0);
	assert_false(m->has_steps);
	while ((cell = heap_ages_next(&m->ages, stack(f, 7), cell)))
		assert_int_not_equal(cell->brief, 0);
	heap_moment_free(m);
}

static void test_what_is_temporary_among_ages(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(heap_keep_ages(f->heap), 0);
	assert_int_equal(heap_keep_temporary(f->heap, 100000), 0);
	check_temporary(f);
	assert_int_equal(of_age(f, 1050 * SECOND, 7, AGE_IN_USE, 45), 9);
	assert_int_equal(of_age(f, 1050 * SECOND, 7, AGE_FREED, 0), 36);
}

static void test_the_scale_of_what_is_temporary(void **state)
{
	char text[16];
	uint32_t us;

	for (unsigned step = 0; step < BRIEF_SCALE_STEPS; step++) {
		uint64_t within = brief_scale_within(step);

		assert_int_equal(brief_scale_step(within * 1000), step);
		assert_int_equal(brief_scale_step(within * 1000 + 1), step + 1);
		brief_scale_print(within, text, sizeof(text));
		assert_int_equal(brief_scale_parse(text, &us), 0);
		assert_int_equal(us, within);
	}
	assert_int_equal(brief_scale_within(BRIEF_SCALE_STEPS), UINT64_MAX);
	for (const char *const *wrong = (const char *const[]){"", "10", "7ms", "10 ms", "2s", NULL};
		*wrong; wrong++)
		assert_int_equal(brief_scale_parse(*wrong, &us), -EINVAL);
	assert_int_equal(brief_scale_parse("500us", &us), 0);
	assert_int_equal(us, 500);
	assert_int_equal(brief_scale_parse("10ms", &us), 0);
	assert_int_equal(us, BRIEF_SCALE_USUAL);
}

static void test_no_ages_unless_they_are_wanted(void **state)
{
	struct fixture *f = *state;
	struct heap_moment *m;

	take(f, 1, 0x1000, 10, 7);
	take(f, 1, 0x2000, 20, 7);
	give_back(f, 1, 0x2000);
	assert_false(heap_keeps_ages(f->heap));
	assert_int_equal(heap_stats(f->heap).allocated, 30);
	assert_int_equal(heap_stats(f->heap).in_use, 10);
	assert_int_equal(heap_moment(f->heap, f->window, 0, &m), 0);
	give_back(f, 1, 0x1000);
	assert_int_equal(heap_stats(f->heap).in_use, 0);
	/* It is as it was, and without ages. */
	assert_int_equal(m->n_stacks, 1);
	assert_int_equal(m->sums[0].alloc_bytes, 30 * ONE);
	assert_int_equal(m->sums[0].inuse_bytes, 10 * ONE);
	assert_null(heap_ages_next(&m->ages, 0, NULL));
	heap_moment_free(m);
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
		TEST(test_the_scale),
		TEST(test_ages_add_up_to_what_is_in_use),
		TEST(test_what_is_left_grows_no_older),
		TEST(test_lifetimes_of_what_waits_for_its_stack),
		TEST(test_ages_of_reallocs),
		TEST(test_what_is_temporary),
		TEST(test_what_is_temporary_among_ages),
		TEST(test_the_scale_of_what_is_temporary),
		TEST(test_no_ages_unless_they_are_wanted),
		TEST(test_many_that_come_and_go),
		TEST(test_in_use_from_window_to_window),
		TEST(test_a_part_of_the_time),
		TEST(test_a_part_of_the_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
