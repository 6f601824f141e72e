// SPDX-License-Identifier: MIT
/*
 * forks RATE SECONDS MS [exec] - starts RATE processes a second, each of which burns MS
 * milliseconds in short_burn() and ends; with `exec` each of them is a program of its
 * own (then argv[0] must be a path).
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

static volatile uint64_t sink;

NOINLINE void short_burn(uint64_t length)
{
	uint64_t x = length;

	while (thread_cpu_ns() < length)
		for (unsigned i = 0; i < STEPS / 10; i++)
			sink = x = x * 3 + 1;
}

static void sleep_until(uint64_t when)
{
	struct timespec t = {(time_t)(when / 1000000000u), (long)(when % 1000000000u)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void child(char **argv, double ms, int exec)
{
	if (exec) {
		execl(argv[0], argv[0], "burn", argv[3], NULL);
		_exit(127);
	}
	short_burn((uint64_t)(ms * 1e6));
	_exit(0);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "burn")) {
		short_burn((uint64_t)(argument(argc, argv, 2, 5) * 1e6));
		return 0;
	}
	double rate = argument(argc, argv, 1, 200), ms = argument(argc, argv, 3, 5);
	uint64_t start = wall_ns();
	unsigned n = (unsigned)(rate * argument(argc, argv, 2, 10));

	ready();
	for (unsigned i = 0; i < n; i++) {
		sleep_until(start + (uint64_t)(i / rate * 1e9));
		if (!fork())
			child(argv, ms, argc > 4 && !strcmp(argv[4], "exec"));
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	while (wait(NULL) > 0)
		;
	printf("processes %u\n", n);
	print_cpu();
	return 0;
}
