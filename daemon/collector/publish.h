/* SPDX-License-Identifier: MIT */
/*
 * publish.h - turns a window into a profile: asks the symbolizer module by module, then builds
 * mappings, functions, locations and samples by the contract of notes on pprof: canonical
 * mappings (ELF addresses), a name for every frame, labels pid, tid, comm, exe, cgroup,
 * container, and timestamp (ns since 1970) where the window keeps times. With ages of a heap
 * (heap_ages.h) what a stack allocated is a sample for each step of the scale: age (of what is in
 * use) or lifetime (of what was freed), each at least that of its label, in milliseconds; together
 * they are the sample that there would be without ages. So it is with what was temporary, which
 * lived no longer than its label says, in microseconds.
 */
#ifndef PROFD_COLLECTOR_PUBLISH_H
#define PROFD_COLLECTOR_PUBLISH_H

#include <stdint.h>
#include <time.h>

#include "collector/sessions.h"
#include "collector/window.h"
#include "profile/profile.h"

struct symbolizer;

struct publish_info {
	enum session_type type;
	struct timespec start; /* CLOCK_REALTIME */
	uint64_t duration;     /* ns */
	uint64_t period;       /* SESSION_CPU: ns; SESSION_HEAP: bytes */
	struct heap_moment
		*moment; /* SESSION_HEAP: instead of the window's sums; taken over; or NULL */
	bool no_in_use;	 /* SESSION_HEAP: it is not known, and left out */
	const char *const *comments;
	size_t n_comments;
};

/* error: 0 with a profile (the callee's to free) and the number of samples in it, or -errno with
 * NULL. */
typedef void (*publish_done)(void *userdata, int error, struct profile *profile, uint64_t samples);

/* Publishes what the window holds now; it keeps a reference. `done` is called exactly once,
 * perhaps before this returns; with -ECANCELED when the symbolizer is freed first. 0, or -errno
 * (then it is not called). */
int publish_start(struct symbolizer *symbolizer, struct window *window,
	const struct publish_info *info, publish_done done, void *userdata);

#endif
