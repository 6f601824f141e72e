/* SPDX-License-Identifier: MIT */
/*
 * window.h - the samples of one session over one interval, aggregated: the same stack of the same
 * thread is one entry with a count. Frames are (module, offset); names come at the end.
 */
#ifndef PROFD_COLLECTOR_WINDOW_H
#define PROFD_COLLECTOR_WINDOW_H

#include "collector/processes.h"

struct window;

/* Why a stack goes no further: drawn as a pseudo-frame at its root. */
struct window_sample {
	struct process *process;
	uint32_t tid;
	const char *comm;
	const struct frame *frames; /* innermost first, kernel before user */
	size_t n_frames;
	enum profd_unwind_end end;
	uint64_t time; /* CLOCK_MONOTONIC, ns */
};

/* Bounded by `max_bytes`. 0 or -ENOMEM. start: CLOCK_MONOTONIC. */
int window_new(struct window **out, uint64_t start, size_t max_bytes);
void window_free(struct window *w);
/* 0, or -ENOSPC when the window is full (the caller counts the loss), or -ENOMEM. */
int window_add(struct window *w, const struct window_sample *sample);

uint64_t window_start(const struct window *w);
uint64_t window_samples(const struct window *w);
size_t window_bytes(const struct window *w);

/* ---- reading it, for publish.c ------------------------------------------------------------- */

/* A distinct (module, offset); entry 0 does not exist. */
struct window_frame {
	struct module *module; /* NULL: nothing is known at that address */
	uint64_t offset;
};

/* A distinct (process, thread, comm, stack). frames are ids, innermost first. */
struct window_stack {
	struct process *process;
	uint32_t tid;
	uint32_t comm; /* window_comm() */
	uint32_t first, n_frames;
	uint8_t end; /* enum profd_unwind_end */
	uint64_t count;
};

size_t window_n_frames(const struct window *w); /* ids are 1..n */
const struct window_frame *window_frame(const struct window *w, uint32_t id);
size_t window_n_stacks(const struct window *w);
const struct window_stack *window_stack(const struct window *w, size_t i);
const uint32_t *window_stack_frames(const struct window *w, const struct window_stack *stack);
const char *window_comm(const struct window *w, uint32_t comm);

/* Samples by second and pid, for the .activity file: calls f in order of (second, pid). `second` counts
 * from window_start. */
void window_each_activity(const struct window *w,
	void (*f)(void *userdata, uint32_t second, uint32_t pid, uint64_t samples), void *userdata);

#endif
