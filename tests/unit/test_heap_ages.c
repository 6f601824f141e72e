// SPDX-License-Identifier: MIT
/* test_heap_ages.c - how old what is in use is, and how old was what was freed. */
#include "heap_fixture.h"

#include <errno.h>

#include "collector/heap_ages.h"
#include "util/age_scale.h"
#include "util/brief_scale.h"

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_the_scale),
		TEST(test_ages_add_up_to_what_is_in_use),
		TEST(test_what_is_left_grows_no_older),
		TEST(test_lifetimes_of_what_waits_for_its_stack),
		TEST(test_ages_of_reallocs),
		TEST(test_what_is_temporary),
		TEST(test_what_is_temporary_among_ages),
		TEST(test_the_scale_of_what_is_temporary),
		TEST(test_no_ages_unless_they_are_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
