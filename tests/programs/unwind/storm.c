// SPDX-License-Identifier: MIT
/*
 * storm SECONDS RATE MS [OTHER] - starts RATE processes a second, each of which burns MS
 * milliseconds in NAME_burn and ends. With OTHER (storm once more, built with another NAME and
 * ROOM) it becomes OTHER then, which burns as long, and becomes this program once more.
 *
 *     storm chain MS HOPS SELF OTHER - what such a process becomes.
 */
#include <string.h>
#include <sys/wait.h>

#include "spin.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

FRAME void JOIN(NAME, _burn)(uint64_t ms)
{
	char room[ROOM];
	uint64_t end = thread_cpu_ns() + ms * 1000000;

	HOLD(room);
	while (thread_cpu_ns() < end)
		spin(MS);
	HOLD(room);
}

FRAME void JOIN(NAME, _inner)(uint64_t ms)
{
	char room[ROOM + 40];

	HOLD(room);
	JOIN(NAME, _burn)(ms);
	HOLD(room);
}

FRAME void JOIN(NAME, _outer)(uint64_t ms)
{
	JOIN(NAME, _inner)(ms);
	STAY();
}

static void become(const char *program, const char *ms, unsigned hops, char *self)
{
	char left[16];

	snprintf(left, sizeof(left), "%u", hops);
	execl(program, program, "chain", ms, left, program, self, (char *)NULL);
	_exit(127);
}

static void start_all(double rate, double seconds, char **argv, char *other)
{
	uint64_t start = wall_ns();

	for (unsigned i = 0; i < rate * seconds; i++) {
		uint64_t next = start + (uint64_t)(i / rate * 1e9);
		struct timespec t = {(time_t)(next / 1000000000), (long)(next % 1000000000)};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		if (!fork()) {
			JOIN(NAME, _outer)((uint64_t)strtoul(argv[3], NULL, 10));
			if (other)
				become(other, argv[3], 2, argv[0]);
			_exit(0);
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	while (wait(NULL) > 0)
		;
}

int main(int argc, char **argv)
{
	if (argc > 5 && !strcmp(argv[1], "chain")) {
		unsigned hops = (unsigned)atoi(argv[3]);

		JOIN(NAME, _outer)((uint64_t)strtoul(argv[2], NULL, 10));
		if (hops)
			become(argv[5], argv[2], hops - 1, argv[4]);
		return 0;
	}
	if (argc < 4)
		return 2;
	ready();
	start_all(argument(argc, argv, 2, 20), argument(argc, argv, 1, 2), argv,
		argc > 4 ? argv[4] : NULL);
	return 0;
}
