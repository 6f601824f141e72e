/* SPDX-License-Identifier: MIT */
/*
 * window.h - the samples of one session over one interval, aggregated: the same stack of the same
 * thread is one entry with a count. Frames are (module, offset); names come at the end.
 */
#ifndef PROFD_COLLECTOR_WINDOW_H
#define PROFD_COLLECTOR_WINDOW_H

#include "collector/processes.h"

struct window;

struct window_sample {
	struct process *process; /* NULL: the process table knows nothing about it */
	uint32_t pid, tid;
	const char *comm;
	const struct frame *frames; /* innermost first, kernel before user */
	size_t n_frames;
	enum profd_unwind_end end;
	uint64_t time;	     /* CLOCK_MONOTONIC, ns */
	uint64_t allocation; /* struct profd_sample.allocation */
};

/* Holds references on the processes and modules it names. Bounded by `max_bytes`. 0 or -ENOMEM.
 * start: CLOCK_MONOTONIC; subsecond: ns that the wall clock was past a full second then. */
int window_new(struct window **out, uint64_t start, uint32_t subsecond, size_t max_bytes);
/* An open window can be read (published) while samples still come in: ids stay valid. */
/* Before the first sample: equal stacks are not added up, and each sample keeps its time. */
void window_keep_times(struct window *w);
/* Before the first sample: each stack has a struct window_heap. */
void window_keep_heap(struct window *w);
struct window *window_ref(struct window *w);
void window_unref(struct window *w); /* NULL is fine */
/* 0 with the stack's number in *stack, or -ENOSPC when the window is full (the caller counts the
 * loss), or -ENOMEM. */
int window_add(struct window *w, const struct window_sample *sample, uint32_t *stack);

/* The stack of another window, which is new or not in this one, without a sample. Room is made for
 * it beyond max_bytes. 0 with its number here in *stack, or -ENOMEM. */
int window_carry(
	struct window *w, const struct window *from, uint32_t stack_there, uint32_t *stack);

/* What a stack has allocated in the window's time, and what of that is in use; in fixed point,
 * << PROFD_WEIGHT_SHIFT. For heap.c to write. */
struct window_heap {
	uint64_t alloc_objects, alloc_bytes, inuse_objects, inuse_bytes;
};
/* Until the next window_add. NULL: the window keeps none. */
struct window_heap *window_heap(const struct window *w, uint32_t stack);

uint64_t window_start(const struct window *w);
uint64_t window_samples(const struct window *w);
size_t window_bytes(const struct window *w);

/* ---- reading it, for publish.c ------------------------------------------------------------- */

/* A distinct (module, offset); entry 0 does not exist. */
struct window_frame {
	struct module *module; /* NULL: nothing is known at that address */
	uint64_t offset;
};

/* A distinct (process, thread, comm, stack), or one sample where times are kept. frames are ids,
 * innermost first. */
struct window_stack {
	struct process *process; /* may be NULL */
	uint32_t pid, tid;
	uint32_t comm; /* window_comm() */
	uint32_t first, n_frames;
	uint8_t end; /* enum profd_unwind_end */
	uint64_t count;
	uint64_t time; /* CLOCK_MONOTONIC, ns; 0: not kept */
};

size_t window_n_frames(const struct window *w); /* ids are 1..n */
const struct window_frame *window_frame(const struct window *w, uint32_t id);
size_t window_n_stacks(const struct window *w);
const struct window_stack *window_stack(const struct window *w, size_t i);
const uint32_t *window_stack_frames(const struct window *w, const struct window_stack *stack);
const char *window_comm(const struct window *w, uint32_t comm);

/* Samples by second (0 is the wall clock's second that contains window_start) and pid. */
struct window_activity {
	uint32_t second, pid;
	uint64_t samples;
};
/* Sorted by (second, pid). *out is the caller's to free. 0 or -ENOMEM. */
int window_activity(const struct window *w, struct window_activity **out, size_t *n);

#endif
