/* SPDX-License-Identifier: MIT */
/*
 * native_walk.h - the walk of bpf/unwind_walk.h in user space: over the same tables, and a stack
 * that was copied.
 */
#ifndef PROFD_COLLECTOR_NATIVE_WALK_H
#define PROFD_COLLECTOR_NATIVE_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "../../bpf/unwind_state.h"

struct table_memory;
struct tables;

struct native_walk {
	struct walk walk;
	const struct table_memory *memory;
	const struct tables *tables;   /* for pages that found no room; may be NULL */
	const struct profd_miss *miss; /* borrowed; its stack lies behind it */
};

/* Sets it where BPF stopped; walk.first and .count (the mapping array) are the caller's to set. */
void native_walk_begin(struct native_walk *n, const struct profd_miss *miss);
/* Goes on, adding frames behind the *n_frames that there are, up to `max`. An enum
 * profd_unwind_end, or WALK_MISS. */
int native_walk_run(struct native_walk *n, __u64 *frames, size_t *n_frames, size_t max);

#endif
