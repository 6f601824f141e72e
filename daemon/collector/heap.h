/* SPDX-License-Identifier: MIT */
/*
 * heap.h - the books of one heap session: which sampled allocations are in use, and how much each
 * stack has allocated and still uses.
 *
 * An allocation is known from its record on, and its stack some time later, when it is whole; in
 * between it can be freed. What is in use is keyed by (process image, address); each entry keeps
 * the weight it was given, and its free subtracts exactly that. The sums are kept with the stacks,
 * in a window (window.h), in fixed point. Where ages are kept (heap_ages.h), they add up to them.
 */
#ifndef PROFD_COLLECTOR_HEAP_H
#define PROFD_COLLECTOR_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profd/abi.h"

struct control_block;
struct heap;
struct heap_moment;
struct window;

struct heap_stats {
	uint64_t live;	     /* sampled allocations in use, now */
	uint64_t live_bytes; /* of memory for them */
	uint64_t allocs;     /* samples */
	uint64_t frees;	     /* of samples */
	uint64_t unknown;    /* frees of what was not sampled, or before the session */
	uint64_t replaced;   /* whose free was not seen, but the address was allocated again */
	uint64_t full;	     /* allocations that were too many to remember: not in in-use */
	uint64_t crowded;    /* of those: too many of one process */
	uint64_t begun;	     /* whose end was not waited for, likewise */
	uint64_t allocated, in_use; /* bytes, of all stacks together */
	size_t limited; /* processes of which in-use was not known for a part of the window */
};

/* Called for what is in use of a process that has ended, whose frees are not seen any more, or that
 * has too much of it: it is forgotten. time: of the allocation (CLOCK_MONOTONIC, ns). */
typedef void (*heap_forgotten)(void *userdata, uint64_t address, uint32_t pid, uint64_t time);

/* Sampled allocations in use that are remembered: entries of about 75 bytes. One process can have
 * three quarters of either, so that there is room for others when it fills the table. */
struct heap_limits {
	size_t live;
	size_t traced; /* those of PROFD_ALLOC_TRACED, which the BPF programs remember, too */
};

#define HEAP_LIVE_MAX (256u << 10)
/* Entries of the table in the kernel, which has its memory in advance. mean: bytes. */
uint32_t heap_traced_max(uint64_t mean);

/* forgotten: may be NULL. 0 or -errno. */
int heap_new(struct heap **out, const struct heap_limits *limits, heap_forgotten forgotten,
	void *userdata);
void heap_free(struct heap *h); /* NULL is fine */
/* Before the first allocation, for a heap of one window: how old what is freed was, and what is in
 * use is. 0 or -ENOMEM. */
int heap_keep_ages(struct heap *h);

/* Likewise: how much was temporary, that is freed within so many ns by the thread that allocated
 * it, and not by a realloc; in steps of brief_scale.h. 0 or -ENOMEM. */
int heap_keep_temporary(struct heap *h, uint64_t within);
/* Likewise: the sums of when most was in use (heap_peak.h). 0 or -ENOMEM. */
int heap_keep_peak(struct heap *h);

/* Notes an allocation, and returns the number by which heap_place or heap_drop names it; 0 without
 * memory. `window` (here and below) is the one that all stacks so far are in. */
uint64_t heap_alloc(struct heap *h, const struct profd_alloc *alloc, struct window *window);
/* Its stack is this one of the window (window_add). Numbers that are not known are ignored. */
void heap_place(struct heap *h, uint64_t allocation, struct window *window, uint32_t stack);
/* It will have no stack, and is forgotten. */
void heap_drop(struct heap *h, uint64_t allocation);
/* Also what a realloc was given, until it has returned (enum profd_free_flags). */
void heap_freed(struct heap *h, const struct profd_free *freed, struct window *window);
/* The process has ended at this time (CLOCK_MONOTONIC, ns), or replaced its image: nobody frees
 * what was in use. The sums stay, and what was in use grows no older. */
void heap_end_process(struct heap *h, uint32_t pid, uint64_t time);

/* What the window's sums are now, at `time`, and the ages if they are kept; for heap_moment_free. 0
 * or -ENOMEM. */
int heap_moment(
	const struct heap *h, const struct window *window, uint64_t time, struct heap_moment **out);

/* What the sums were when most was in use; for heap_moment_free. *bytes: so much was. 0, -ENOMEM,
 * or -ENODATA: that is not kept, or not known, or nothing was in use. */
int heap_peak_moment(const struct heap *h, const struct window *window, uint64_t *time,
	uint64_t *bytes, struct heap_moment **out);

/* The frees of a process are not seen (any more): nothing of it is in use, and what it allocates
 * stands for more, since only that share of it is seen (in 2^-32; UINT32_MAX: all). 0: all of the
 * process is seen. since: of what is allocated from then on (CLOCK_MONOTONIC, ns), which can be
 * before now; what was allocated before, and comes yet, stands for what it did. 0 or -ENOMEM. */
int heap_limit(struct heap *h, uint32_t pid, uint32_t kept, uint64_t since, struct window *window);

/* What is in use of a process, sorted by address; *out is to be freed. 0 or -ENOMEM. */
int heap_blocks(const struct heap *h, uint32_t pid, struct control_block **out, size_t *n);
/* What of these can be reached: CONTROL_REACH_ characters, n of them. It goes with their ages, when
 * the process has ended. */
void heap_reached(struct heap *h, uint32_t pid, const struct control_block *blocks, size_t n,
	const char *reach);

/* What is in use goes on in a new window, which knows its stacks then; what of it ended processes
 * had stays behind. 0 or -ENOMEM: nothing has changed, the old window is still the one. */
int heap_carry(struct heap *h, const struct window *from, struct window *to);

/* Or what was temporary. */
bool heap_keeps_ages(const struct heap *h);
struct heap_stats heap_stats(const struct heap *h);

#endif
