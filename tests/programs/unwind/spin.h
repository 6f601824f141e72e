/* SPDX-License-Identifier: MIT */
/*
 * spin.h - what the programs share whose stacks are known: work without calls, and calls that stay
 * calls. They are built without frame pointers and without debug information, so that a function
 * is a frame and nothing else is.
 *
 * All of them are NAME SECONDS [...]: print "ready" and burn until SECONDS (60) have passed, when
 * SIGALRM ends them.
 */
#ifndef PROGRAMS_SPIN_H
#define PROGRAMS_SPIN_H

#include <unistd.h>

#include "../truth.h"

/* A function that is compiled as it stands: not inlined, cloned, or looked into by its callers. */
#define FRAME __attribute__((noipa))

/* Behind a call: something is left to do, so the call cannot become a jump. */
#define STAY() __asm__ volatile("" ::: "memory")

#define FOREVER UINT64_MAX
#define MS	1000000u /* steps that take roughly a millisecond */

INLINE void spin(uint64_t steps)
{
	for (uint64_t i = 0; i < steps; i++)
		__asm__ volatile("" : "+r"(i));
}

INLINE void begin(int argc, char **argv)
{
	alarm((unsigned)argument(argc, argv, 1, 60));
	ready();
}

/* The compiler knows nothing about the value from here on, and has to keep it until here. */
#define OPAQUE(x) __asm__ volatile("" : "+r"(x))
/* The same for an object in memory: before and behind a call it makes the frame as large. */
#define HOLD(object) __asm__ volatile("" : : "r"(&(object)) : "memory")

#endif
