/* SPDX-License-Identifier: MIT */
/*
 * own_calls.h - calls of this program's own, in whose depths compare() looks at the stack: through
 * libc, realigned stacks, a signal handler and a thread's start. Who includes this defines
 * compare(), which sets `depth` and `interrupted`.
 */
#ifndef PROFD_TEST_OWN_CALLS_H
#define PROFD_TEST_OWN_CALLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <alloca.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

static size_t depth, interrupted; /* of the last stack that was compared */

static __attribute__((noinline)) void compare(void);

/* ---- calls -------------------------------------------------------------------------------- */

static __attribute__((noinline)) void recurse(int levels)
{
	if (levels)
		recurse(levels - 1);
	else
		compare();
	__asm__ volatile("" ::: "memory"); /* no tail call */
}

static int by_qsort(const void *a, const void *b)
{
	recurse(3);
	return 0;
}

static __attribute__((noinline)) void realigned(int levels)
{
	char wide[64] __attribute__((aligned(64)));
	char *open_ended = alloca((size_t)levels * 24 + 1);

	__asm__ volatile("" ::"r"(wide), "r"(open_ended) : "memory");
	assert_int_equal((uintptr_t)wide % 64, 0);
	if (levels)
		realigned(levels - 1);
	else
		recurse(2);
	__asm__ volatile("" ::: "memory");
}

static void on_signal(int number)
{
	recurse(4);
}

static void *in_thread(void *userdata)
{
	recurse(5);
	return NULL;
}

/* ---- tests -------------------------------------------------------------------------------- */

static void test_recursion(void **state)
{
	size_t base;

	recurse(0);
	base = depth;
	recurse(100);
	assert_int_equal(depth, base + 100);
	assert_int_equal(interrupted, 0);
}

static void test_through_libc(void **state)
{
	int numbers[] = {2, 1};

	qsort(numbers, 2, sizeof(*numbers), by_qsort);
	assert_true(depth > 8);
}

static void test_realigned_stack(void **state)
{
	realigned(7);
	assert_true(depth > 10);
}

static void test_thread(void **state)
{
	pthread_t thread;

	depth = 0;
	assert_int_equal(pthread_create(&thread, NULL, in_thread, NULL), 0);
	pthread_join(thread, NULL);
	assert_true(depth >= 8);
}

#endif
