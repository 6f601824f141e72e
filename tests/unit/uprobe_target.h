/* SPDX-License-Identifier: MIT */
/* uprobe_target.h - a process of three threads whose functions are probed: the test itself, started
 * with --target. */
#ifndef PROFD_TEST_UPROBE_TARGET_H
#define PROFD_TEST_UPROBE_TARGET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"

#define THREADS 3

/* ---- what is probed -------------------------------------------------------------------------- */

/* On as long as somebody has a probe with it. */
__attribute__((section(".probes"))) volatile unsigned short uprobe_semaphore;

/* Begin with instructions that are emulated, and not; and with one that cannot be probed. */
__asm__(".text\n"
	".globl hit_one, hit_two, refused\n"
	".type hit_one,@function\n"
	"hit_one: nop\n"
	"ret\n"
	".type hit_two,@function\n"
	"hit_two: test %rdi,%rdi\n"
	"ret\n"
	".type refused,@function\n"
	"refused: lock addl $0,-8(%rsp)\n"
	"ret\n");
void hit_one(long n);
void hit_two(long n);
void refused(void);

/* ---- the target ------------------------------------------------------------------------------ */

static pthread_barrier_t before, after;
static long rounds;
static bool busy; /* atomic */

static inline void hit(long n)
{
	for (long i = 0; i < n; i++) {
		hit_one(i);
		hit_two(i);
	}
}

static inline void *hit_in_rounds(void *unused)
{
	for (;;) {
		pthread_barrier_wait(&before);
		hit(rounds);
		pthread_barrier_wait(&after);
	}
	return NULL;
}

static inline void *hit_all_the_time(void *unused)
{
	while (__atomic_load_n(&busy, __ATOMIC_RELAXED))
		hit(100);
	return NULL;
}

/* Goes on without the first thread. */
static inline void *live_on(void *unused)
{
	printf("%" PRIxPTR " 0\n", (uintptr_t)hit_one);
	fflush(stdout);
	while (getchar() != EOF)
		;
	_exit(0);
}

static inline void end_first_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, live_on, NULL);
	pthread_exit(NULL);
}

/* Reads how often each thread is to call, does it, and says so; or with "busy" until it is over. */
static inline int target(bool is_busy)
{
	pthread_t threads[THREADS];

	pthread_barrier_init(&before, NULL, THREADS);
	pthread_barrier_init(&after, NULL, THREADS);
	__atomic_store_n(&busy, is_busy, __ATOMIC_RELAXED);
	for (int i = 1; i < THREADS; i++)
		pthread_create(&threads[i], NULL, is_busy ? hit_all_the_time : hit_in_rounds, NULL);
	printf("%" PRIxPTR " %" PRIxPTR "\n", (uintptr_t)hit_one, (uintptr_t)&uprobe_semaphore);
	fflush(stdout);
	while (scanf("%ld", &rounds) == 1) {
		pthread_barrier_wait(&before);
		hit(rounds);
		pthread_barrier_wait(&after);
		printf("done\n");
		fflush(stdout);
	}
	__atomic_store_n(&busy, false, __ATOMIC_RELAXED);
	for (int i = 1; is_busy && i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

struct target {
	pid_t pid;
	FILE *to, *from;
	int memory;
	uintptr_t hit_one, semaphore;
};

static inline void start_target(struct target *t, const char *how)
{
	int in[2], out[2];
	char path[64];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (!t->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl("/proc/self/exe", "test_uprobes", "--target", how, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	t->to = fdopen(in[1], "w");
	t->from = fdopen(out[0], "r");
	assert_int_equal(fscanf(t->from, "%" SCNxPTR " %" SCNxPTR, &t->hit_one, &t->semaphore), 2);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)t->pid);
	t->memory = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(t->memory >= 0 || !strcmp(how, "leaderless"));
}

/* The target must have lived until now. */
static inline void stop_target(struct target *t)
{
	int status;

	fclose(t->to);
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	assert_int_equal(status, 0);
	fclose(t->from);
	close_fd(t->memory);
}

static inline void call(struct target *t, long n)
{
	char line[64] = "";

	fprintf(t->to, "%ld\n", n);
	fflush(t->to);
	assert_int_equal(fscanf(t->from, "%63s", line), 1);
	assert_string_equal(line, "done");
}

static inline uint8_t first_byte(const struct target *t, void (*function)(long))
{
	uintptr_t address = t->hit_one + ((uintptr_t)function - (uintptr_t)hit_one);
	uint8_t byte = 0;

	assert_int_equal(pread(t->memory, &byte, 1, (off_t)address), 1);
	return byte;
}

static inline unsigned semaphore(const struct target *t)
{
	uint16_t value;

	assert_int_equal(
		pread(t->memory, &value, sizeof(value), (off_t)t->semaphore), sizeof(value));
	return value;
}

static inline void expect_no_trap(const struct target *t)
{
	assert_int_equal(first_byte(t, hit_one), 0x90);
	assert_int_equal(first_byte(t, hit_two), 0x48);
	assert_int_equal(semaphore(t), 0);
}

#endif
