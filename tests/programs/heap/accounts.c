// SPDX-License-Identifier: MIT
/*
 * accounts [LEAKED CHURNED] - waits for a line, then allocates in every way that C has, in
 * functions that each keep an account, which it prints at the end (accounts.h). With numbers it
 * does nothing but leak LEAKED bytes, in blocks of 16 KiB, among CHURNED bytes in blocks of 1 MiB
 * that are freed at once.
 */
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>

#include "accounts.h"

#define N 200

/* The first sample from a page of code is what makes profd load the tables of that page: so all
 * code is known before what counts. */
static void *warm_up(void *unused)
{
	void *pointers[] = {malloc(1 << 20), calloc(1, 1), realloc(NULL, 1),
		reallocarray(NULL, 1, 1), memalign(64, 1), aligned_alloc(64, 64), valloc(1), NULL};

	MUST(posix_memalign(&pointers[7], 64, 1) == 0);
	for (size_t i = 0; i < sizeof(pointers) / sizeof(*pointers); i++) {
		HIDE(pointers[i]);
		free(pointers[i]);
	}
	return unused;
}

ACCOUNT(churn_of_many_sizes)
{
	uint64_t random = 1;

	for (int i = 0; i < 5 * N; i++) {
		size_t size = 1 + next_random(&random) % (16u << next_random(&random) % 12);
		void *pointer = malloc(size);

		HIDE(pointer);
		add(account, pointer, size);
		free(pointer);
		gone(account, size);
	}
}

ACCOUNT(kept)
{
	for (int i = 0; i < N; i++) {
		void *pointer = malloc(300);

		HIDE(pointer);
		add(account, pointer, 300);
	}
}

ACCOUNT(zeroed)
{
	for (int i = 0; i < N; i++) {
		void *pointer = calloc(7, 11);

		HIDE(pointer);
		add(account, pointer, 77);
		if (i % 2) {
			free(pointer);
			gone(account, 77);
		}
	}
}

/* In place and not, as the allocator likes. */
ACCOUNT(chains_of_realloc)
{
	for (int i = 0; i < N / 4; i++) {
		void *pointer = NULL;
		size_t had = 0;

		for (size_t size = 24; size < 100000; size = size * 2 + 8) {
			pointer = realloc(pointer, size);
			HIDE(pointer);
			add(account, pointer, size);
			if (had)
				gone(account, had);
			had = size;
		}
		pointer = realloc(pointer, 10);
		HIDE(pointer);
		add(account, pointer, 10);
		gone(account, had);
		if (i % 2)
			continue;
		free(pointer);
		gone(account, 10);
	}
}

/* It is freed, and some allocators give back another one of no size, which counts as a byte. */
ACCOUNT(realloc_to_nothing)
{
	for (int i = 0; i < N; i++) {
		void *pointer = malloc(50);

		HIDE(pointer);
		add(account, pointer, 50);
		pointer = realloc(pointer, 0);
		HIDE(pointer);
		gone(account, 50);
		if (!pointer)
			continue;
		add(account, pointer, 1);
		free(pointer);
		gone(account, 1);
	}
}

ACCOUNT(realloc_that_fails)
{
	for (int i = 0; i < N; i++) {
		size_t size = PTRDIFF_MAX - 4096;
		void *pointer = malloc(70), *none;

		HIDE(pointer);
		HIDE(size);
		add(account, pointer, 70);
		none = realloc(pointer, size);
		MUST(!none);
		none = reallocarray(pointer, size, 16);
		MUST(!none);
	}
}

ACCOUNT(arrays)
{
	for (int i = 0; i < N; i++) {
		void *pointer = reallocarray(NULL, 10, 12), *more;

		HIDE(pointer);
		add(account, pointer, 120);
		more = reallocarray(pointer, 20, 12);
		HIDE(more);
		add(account, more, 240);
		gone(account, 120);
	}
}

/* There are allocators without it. */
#ifdef NO_PVALLOC
#define pvalloc valloc
#endif

ACCOUNT(aligned)
{
	void *pointers[6];

	for (int i = 0; i < N; i++) {
		MUST(posix_memalign(&pointers[0], 64, 1000) == 0);
		pointers[1] = aligned_alloc(16, 1024);
		pointers[2] = memalign(256, 1000);
		pointers[3] = valloc(500);
		pointers[4] = memalign(8, 24);
		pointers[5] = pvalloc(600);
		for (int k = 0; k < 6; k++) {
			static const size_t sizes[] = {1000, 1024, 1000, 500, 24, 600};

			HIDE(pointers[k]);
			add(account, pointers[k], sizes[k]);
			if (k == i % 6)
				continue;
			free(pointers[k]);
			gone(account, sizes[k]);
		}
	}
}

/* ---- threads -------------------------------------------------------------------------------- */

static void *handed_over[N];

static void *free_all(void *unused)
{
	for (int i = 0; i < N; i++)
		free(handed_over[i]);
	return unused;
}

__attribute__((noipa)) static void have_it_freed(void)
{
	pthread_t thread;

	MUST(pthread_create(&thread, NULL, free_all, NULL) == 0);
	MUST(pthread_join(thread, NULL) == 0);
}

/* Somebody else frees it. */
ACCOUNT(freed_by_another_thread)
{
	for (int i = 0; i < N; i++) {
		handed_over[i] = malloc(128);
		HIDE(handed_over[i]);
		add(account, handed_over[i], 128);
	}
	for (int i = 0; i < N; i++)
		gone(account, 128);
}

__attribute__((noipa)) static void *by_another_thread(void *argument)
{
	struct account *account = argument;

	for (int i = 0; i < N; i++) {
		handed_over[i] = malloc(96);
		HIDE(handed_over[i]);
		add(account, handed_over[i], 96);
	}
	return NULL;
}

ACCOUNT(of_a_thread_that_ended)
{
	pthread_t thread;

	MUST(pthread_create(&thread, NULL, by_another_thread, account) == 0);
	MUST(pthread_join(thread, NULL) == 0);
	for (int i = 0; i < N; i += 2) {
		free(handed_over[i]);
		gone(account, 96);
	}
	account->name = "by_another_thread";
}

/* ---- children ------------------------------------------------------------------------------- */

__attribute__((noipa)) static void in_the_child(void *inherited)
{
	free(inherited);
	for (int i = 0; i < N; i++) {
		void *pointer = malloc(40);

		HIDE(pointer);
	}
}

/* What the child frees is its own copy, and what it leaks is none of its parent's. */
ACCOUNT(inherited)
{
	void *pointer = malloc(2000);
	int status;
	pid_t pid;

	HIDE(pointer);
	add(account, pointer, 2000);
	pid = fork();
	MUST(pid >= 0);
	if (!pid) {
		in_the_child(pointer);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
}

/* ---- a leak among much ---------------------------------------------------------------------- */

__attribute__((noipa)) static void leak(uint64_t bytes)
{
	void *pointer = malloc(bytes);

	HIDE(pointer);
	MUST(pointer);
}

__attribute__((noipa)) static void churn(uint64_t bytes)
{
	void *pointer = malloc(bytes);

	HIDE(pointer);
	MUST(pointer);
	free(pointer);
}

static void leak_among(uint64_t leaked, uint64_t churned)
{
	uint64_t leaks = leaked >> 14, churns = churned >> 20;

	for (uint64_t i = 0; i < churns; i++) {
		churn(1 << 20);
		if (i * leaks / churns != (i + 1) * leaks / churns)
			leak(1 << 14);
	}
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (!wait_for_a_line())
		return 1;
	MUST(pthread_create(&thread, NULL, warm_up, warm_up(NULL)) == 0);
	MUST(pthread_join(thread, NULL) == 0);
	usleep(300000);
	if (argc > 2) {
		leak_among(argument(argc, argv, 1, 0), argument(argc, argv, 2, 0));
		return 0;
	}
	RUN(churn_of_many_sizes);
	RUN(kept);
	RUN(zeroed);
	RUN(chains_of_realloc);
	RUN(realloc_to_nothing);
	RUN(realloc_that_fails);
	RUN(arrays);
	RUN(aligned);
	RUN(freed_by_another_thread);
	have_it_freed();
	RUN(of_a_thread_that_ended);
	RUN(inherited);
	print_accounts();
	return 0;
}
