// SPDX-License-Identifier: MIT
/*
 * Whole stacks by compiled rows, with the walk that BPF programs do: this program unwinds itself,
 * through libc, a signal handler on its own stack, realigned stacks and a thread's start, and must
 * find the return addresses that libgcc's unwinder finds. All is as in the collector when it
 * finishes what a program could not: mappings, tables that are loaded by need, copies of stacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <alloca.h>
#include <cmocka.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "own_stack.h"

#define MAX_FRAMES PROFD_MAX_USER_FRAMES

static size_t depth, interrupted; /* of the last stack that was compared */

static __attribute__((noinline)) void compare(void)
{
	void *expected[MAX_FRAMES];
	uint64_t ip, sp, fp;
	size_t n = (size_t)backtrace(expected, MAX_FRAMES);

	__asm__ volatile("lea 0f(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2\n0:"
			 : "=&r"(ip), "=&r"(sp), "=&r"(fp));
	own_walk(ip, sp, fp);
	assert_int_equal(own.end, PROFD_END_COMPLETE);
	/* Below a sanitizer its own backtrace is the innermost frame. */
	assert_in_range(n, own.n, own.n + 1);
	depth = own.n;
	interrupted = 0;
	for (size_t i = 1; i < own.n; i++) {
		assert_int_equal(
			own.frames[i] & ~PROFD_FRAME_EXACT, (uintptr_t)expected[n - own.n + i]);
		interrupted += (own.frames[i] & PROFD_FRAME_EXACT) != 0;
	}
}

/* ---- stacks ------------------------------------------------------------------------------- */

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

/* One right above the other, so that a copy from the lower one on has both. */
static struct {
	char signals[64 << 10], thread[48 << 10];
} stacks __attribute__((aligned(4096)));

static void *in_interrupted_thread(void *userdata)
{
	stack_t other = {.ss_sp = stacks.signals, .ss_size = sizeof(stacks.signals)},
		none = {.ss_flags = SS_DISABLE};

	assert_int_equal(sigaltstack(&other, NULL), 0);
	raise(SIGUSR1);
	sigaltstack(&none, NULL); /* a sanitizer unmaps what a thread leaves */
	return NULL;
}

static void test_signal(void **state)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	pthread_attr_t attr;
	pthread_t thread;

	depth = 0;
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, stacks.thread, sizeof(stacks.thread)), 0);
	assert_int_equal(pthread_create(&thread, &attr, in_interrupted_thread, NULL), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	assert_true(depth > 8);
	assert_int_equal(interrupted, 1);
	action.sa_handler = SIG_DFL;
	sigaction(SIGUSR1, &action, NULL);
}

static void test_thread(void **state)
{
	pthread_t thread;

	depth = 0;
	assert_int_equal(pthread_create(&thread, NULL, in_thread, NULL), 0);
	pthread_join(thread, NULL);
	assert_true(depth >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recursion),
		cmocka_unit_test(test_through_libc),
		cmocka_unit_test(test_realigned_stack),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_thread),
	};

	return cmocka_run_group_tests(tests, own_open, own_close);
}
