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

#include <cmocka.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "own_calls.h"
#include "own_stack.h"

#define MAX_FRAMES PROFD_MAX_USER_FRAMES

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
