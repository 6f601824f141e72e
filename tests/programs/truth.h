/* SPDX-License-Identifier: MIT */
/*
 * truth.h - what the profiled programs share: clocks, and work that is measured in CPU time.
 *
 * A program whose shares are known may not spend its time in steps that keep in step with the
 * sampling clock; it draws the length of its rounds at random.
 */
#ifndef PROGRAMS_TRUTH_H
#define PROGRAMS_TRUTH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define NOINLINE __attribute__((noinline, noclone))
#define INLINE	 static inline __attribute__((always_inline))

/* Between two looks at the clock: long enough that looking costs next to nothing. */
#define STEPS 100000u

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t wall_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* xorshift64: the same sequence in each run. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* The n-th argument as a number of at least 0, or what is usual. */
static inline double argument(int argc, char **argv, int n, double usual)
{
	return argc > n ? strtod(argv[n], NULL) : usual;
}

/* A line of its own for whoever waits for the program to be under way. */
static inline void ready(void)
{
	puts("ready");
	fflush(stdout);
}

/* CPU time of the process and of its children that ended, in seconds. */
static inline void print_cpu(void)
{
	struct rusage own, children;

	getrusage(RUSAGE_SELF, &own);
	getrusage(RUSAGE_CHILDREN, &children);
	printf("cpu %.6f\n",
		(double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec + children.ru_utime.tv_sec +
			 children.ru_stime.tv_sec) +
			(double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec +
				 children.ru_utime.tv_usec + children.ru_stime.tv_usec) /
				1e6);
	fflush(stdout);
}

#endif
