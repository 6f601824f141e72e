/* SPDX-License-Identifier: MIT */
/*
 * sampler.h - which allocations are sampled (profd/heap_sample.h), and what becomes of a sample.
 *
 * Each thread counts down by itself, whether anybody listens or not: so it costs the same, and a
 * listener may come at any moment. A sample that nobody listens to is forgotten at once.
 *
 * The environment is read once, before the first allocation that is counted:
 *   PROFD_HEAP_SAMPLE_BYTES   the mean, 1 to 2^40; 1: every allocation. 524288 by default.
 *   PROFD_HEAP_SEED           a number: the same samples in each run of a program without threads.
 */
#ifndef PRELOAD_SAMPLER_H
#define PRELOAD_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#pragma GCC visibility push(hidden)

/* Of the thread. There is room for it in every thread before the thread runs: no call, no
 * allocation, and nothing to give back. */
struct sampler {
	uint64_t left; /* an allocation of more bytes is a sample; 0 also before the first */
	__u64 random;  /* heap_random() */
	/* The complement of the last pointer that was sampled, unless it was given back since; 0:
	 * none. Not itself, since that would keep a leak from being found. */
	uintptr_t last;
	bool begun;
	bool watching; /* see sampler_watch() */
	bool was_called;
};

extern __thread struct sampler sampler_self;

/* Counts an allocation. False: sampler_draw() has to. */
static inline bool sampler_passes(size_t size)
{
	/* A size of 0 is larger than everything here. */
	if (__builtin_expect(size - 1 >= sampler_self.left, 0))
		return false;
	sampler_self.left -= size;
	return true;
}

/* Counts an allocation that sampler_passes() did not, before it is made, so that what an allocator
 * allocates for itself meanwhile has its own turn. True: if it succeeds, it is a sample. */
bool sampler_draw(size_t size);

/* From now on, this thread's allocations are not counted. False: that cannot be had yet. */
bool sampler_watch(void);
/* Whether there was one since it was last asked. */
bool sampler_was_called(void);
void sampler_unwatch(void);

/* Remembers and tells a sampled allocation. Does nothing if there is none (NULL), or if it is known
 * already: when an allocator's function calls another one that is counted, too. */
void sampler_sample(const void *pointer, size_t size);

/* What realloc has to put back if it fails. */
struct sampler_taken {
	uint64_t size;
	uint16_t random;
	bool sampled; /* else the rest is not set */
};

/* Tells that an allocation is given back if it was sampled, to realloc or not: to be called before
 * it is. */
struct sampler_taken sampler_take(const void *pointer, bool moves);
/* It was not given back. */
void sampler_put_back(const void *pointer, struct sampler_taken taken);

#pragma GCC visibility pop

#endif
