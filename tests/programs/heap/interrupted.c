// SPDX-License-Identifier: MIT
/*
 * interrupted N - allocates and frees N times, while signals interrupt it wherever it is, whose
 * handler does the same and reallocates. Only for an allocator that may be interrupted (bump.c).
 * Prints "bytes" and "objects" of both, and how often it was interrupted.
 */
#include <signal.h>
#include <sys/time.h>

#include "../truth.h"
#include "truth.h"

static volatile unsigned long long bytes, objects, interrupts;

/* Counted without a read that a signal could fall behind: the handler ends before it goes on. */
static void count(size_t size)
{
	__asm__ volatile("addq %1, %0" : "+m"(bytes) : "r"(size));
	__asm__ volatile("incq %0" : "+m"(objects));
}

static void take(size_t size)
{
	void *pointer = malloc(size);

	HIDE(pointer);
	MUST(pointer);
	count(size);
	free(pointer);
}

static void on_signal(int signal)
{
	void *pointer = malloc(10);

	(void)signal;
	count(10);
	pointer = realloc(pointer, 50);
	HIDE(pointer);
	MUST(pointer);
	count(50);
	free(pointer);
	interrupts++;
}

int main(int argc, char **argv)
{
	struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
	unsigned int n = (unsigned int)argument(argc, argv, 1, 1000);

	begin();
	signal(SIGALRM, on_signal);
	setitimer(ITIMER_REAL, &often, NULL);
	for (unsigned int i = 0; i < n; i++)
		take(100 + i % 100);
	setitimer(ITIMER_REAL, &never, NULL);
	end();
	printf("bytes %llu\nobjects %llu\ninterrupts %llu\n", bytes, objects, interrupts);
	return 0;
}
