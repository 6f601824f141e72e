/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/window.h"

#define SECOND 1000000000ULL
#define START  (100 * SECOND)

static struct window *fresh(size_t max_bytes)
{
	struct window *w;

	assert_int_equal(window_new(&w, START, 0, max_bytes), 0);
	return w;
}

static int add(struct window *w, uint32_t tid, const char *comm, const struct frame *frames,
	size_t n, uint64_t time)
{
	uint32_t stack;

	return window_add(w,
		&(struct window_sample){
			.pid = 7,
			.tid = tid,
			.comm = comm,
			.frames = frames,
			.n_frames = n,
			.time = time,
		},
		&stack);
}

static void test_equal_stacks_are_one(void **state)
{
	const struct frame ab[] = {{NULL, 0xa}, {NULL, 0xb}}, ba[] = {{NULL, 0xb}, {NULL, 0xa}};
	struct window *w = fresh(1 << 20);

	for (int i = 0; i < 3; i++)
		assert_int_equal(add(w, 7, "x", ab, 2, START), 0);
	assert_int_equal(add(w, 7, "x", ba, 2, START), 0);
	assert_int_equal(add(w, 7, "x", ab, 1, START), 0);
	assert_int_equal(window_samples(w), 5);
	assert_int_equal(window_n_frames(w), 2);
	assert_int_equal(window_n_stacks(w), 3);
	assert_int_equal(window_stack(w, 0)->count, 3);
	assert_int_equal(
		window_frame(w, window_stack_frames(w, window_stack(w, 1))[0])->offset, 0xb);
	window_unref(w);
}

static void test_samples_that_keep_their_time(void **state)
{
	const struct frame ab[] = {{NULL, 0xa}, {NULL, 0xb}}, a[] = {{NULL, 0xa}};
	struct window *w = fresh(1 << 20);
	size_t bytes;

	window_keep_times(w);
	assert_int_equal(add(w, 7, "x", ab, 2, START + 1), 0);
	assert_int_equal(add(w, 7, "x", a, 1, START + 2), 0);
	bytes = window_bytes(w);
	assert_int_equal(add(w, 7, "x", ab, 2, START + 3), 0);
	assert_int_equal(window_samples(w), 3);
	assert_int_equal(window_n_stacks(w), 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(window_stack(w, i)->count, 1);
		assert_int_equal(window_stack(w, i)->time, START + i + 1);
	}
	/* The frames of an equal stack are shared. */
	assert_int_equal(window_stack(w, 2)->first, window_stack(w, 0)->first);
	assert_int_equal(window_stack(w, 2)->n_frames, 2);
	assert_int_equal(window_bytes(w), bytes + sizeof(struct window_stack));
	window_unref(w);
	w = fresh(1 << 20);
	assert_int_equal(add(w, 7, "x", a, 1, START), 0);
	assert_int_equal(window_stack(w, 0)->time, 0);
	window_unref(w);
}

static void test_threads_and_names_are_told_apart(void **state)
{
	const struct frame a[] = {{NULL, 0xa}};
	struct window *w = fresh(1 << 20);

	assert_int_equal(add(w, 7, "x", a, 1, START), 0);
	assert_int_equal(add(w, 8, "x", a, 1, START), 0);
	assert_int_equal(add(w, 8, "a name of over fifteen", a, 1, START), 0);
	assert_int_equal(window_n_stacks(w), 3);
	assert_string_equal(window_comm(w, window_stack(w, 2)->comm), "a name of over ");
	window_unref(w);
}

static void test_modules_are_held(void **state)
{
	struct module m = {.kind = MODULE_FILE, .fd = -1, .references = 1};
	const struct frame frames[] = {{&m, 1}, {&m, 2}, {&m, 1}};
	struct window *w = fresh(1 << 20);

	assert_int_equal(add(w, 7, "x", frames, 3, START), 0);
	assert_int_equal(m.references, 3);
	assert_ptr_equal(window_ref(w), w);
	window_unref(w);
	assert_int_equal(m.references, 3);
	window_unref(w);
	assert_int_equal(m.references, 1);
}

static void test_a_full_window_still_counts_what_it_knows(void **state)
{
	struct window *w = fresh(64 << 10);
	const struct frame known[] = {{NULL, 0}};
	uint64_t added = 0;
	int r = 0;

	for (uint64_t i = 0; i < 100000 && !r; i++) {
		const struct frame f[] = {{NULL, i}};

		r = add(w, 7, "x", f, 1, START);
		added += !r;
	}
	assert_int_equal(r, -ENOSPC);
	assert_true(added > 100);
	assert_in_range(window_bytes(w), 64 << 10, 80 << 10);
	assert_int_equal(add(w, 7, "x", known, 1, START), 0);
	assert_int_equal(window_samples(w), added + 1);
	window_unref(w);
}

static void test_activity(void **state)
{
	const struct frame a[] = {{NULL, 0xa}};
	struct window_activity *activity;
	struct window *w;
	size_t n;

	/* The wall clock stood at 0.7 s past a full second. */
	assert_int_equal(window_new(&w, START, 700000000, 1 << 20), 0);
	assert_int_equal(add(w, 7, "x", a, 1, START + SECOND), 0);
	assert_int_equal(add(w, 7, "x", a, 1, START + SECOND / 10), 0);
	assert_int_equal(add(w, 7, "x", a, 1, START + SECOND / 10), 0);
	assert_int_equal(add(w, 7, "x", a, 1, START - 5), 0);
	assert_int_equal(window_activity(w, &activity, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(activity[0].second, 0);
	assert_int_equal(activity[0].samples, 3);
	assert_int_equal(activity[1].second, 1);
	assert_int_equal(activity[1].pid, 7);
	free(activity);
	window_unref(w);
}

static void test_what_is_carried_takes_no_room(void **state)
{
	struct window *first = fresh(4096), *second = fresh(4096);
	uint32_t stack;
	size_t n = 0, had;

	for (uint64_t i = 0;; i++) {
		const struct frame f = {NULL, i};

		if (add(first, 7, "x", &f, 1, START))
			break;
	}
	had = window_n_stacks(first);
	for (size_t i = 0; i < had; i++)
		assert_int_equal(window_carry(second, first, (uint32_t)i, &stack), 0);
	assert_int_equal(window_n_stacks(second), had);
	for (uint64_t i = 1 << 20;; i++) {
		const struct frame f = {NULL, i};

		if (add(second, 7, "x", &f, 1, START))
			break;
		n++;
	}
	assert_true(n > had / 2);
	window_unref(first);
	window_unref(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_stacks_are_one),
		cmocka_unit_test(test_samples_that_keep_their_time),
		cmocka_unit_test(test_threads_and_names_are_told_apart),
		cmocka_unit_test(test_modules_are_held),
		cmocka_unit_test(test_a_full_window_still_counts_what_it_knows),
		cmocka_unit_test(test_activity),
		cmocka_unit_test(test_what_is_carried_takes_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
