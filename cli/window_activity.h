/* SPDX-License-Identifier: MIT */
/* window_activity.h - what happened in a window, from the .activity beside it: no need to read the
 * profile. */
#ifndef PROFD_CLI_WINDOW_ACTIVITY_H
#define PROFD_CLI_WINDOW_ACTIVITY_H

#include <stdbool.h>

#include "store/activity.h"
#include "store/store.h"
#include "tally.h"

struct window_activity {
	char *text;
	size_t size;
	int64_t period; /* ns of CPU time that a sample stands for; 0: not known */
};

struct window_totals {
	bool known; /* false: it has no .activity */
	uint64_t samples;
	int64_t cpu_ns; /* 0: not known */
	uint32_t busiest_pid;
	uint64_t busiest_samples;
};

/* Reads it. 0; -ENOENT for a recording, or where there is none; another -errno, explained. */
int window_activity_read(struct window_activity *a, const struct store_entry *window);
void window_activity_free(struct window_activity *a);
/* `room` is used and left empty. 0 or -ENOMEM; a file that cannot be read is explained, and not
 * known. */
int window_totals_read(
	struct window_totals *t, const struct store_entry *window, struct tally *room);
/* ns of CPU time, at most INT64_MAX. */
int64_t window_cpu_ns(uint64_t samples, int64_t period);

#endif
