/* SPDX-License-Identifier: MIT */
/*
 * threads.h - the samples of a profile by the thread that they were taken from, as exports to tools
 * with a timeline want them. Threads are told apart by the labels pid and tid; samples without them
 * belong to one thread 0 of process 0.
 *
 * A sample that keeps when it was taken says so in the numeric label "timestamp", in nanoseconds
 * since 1970.
 */
#ifndef PROFD_REPORT_THREADS_H
#define PROFD_REPORT_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

struct thread {
	int64_t pid, tid;
	const char *comm, *process; /* "" if unknown; process is the comm of the main thread */
	size_t first, n;	    /* thread_table.samples */
	size_t leader;		    /* the first thread of its process in the table */
};

struct thread_table {
	struct thread *threads; /* by pid, then tid */
	size_t n, capacity;
	size_t *samples; /* indices in the profile; of a thread by time, then as in the file */
	bool timed;	 /* some sample keeps its time */
	int64_t start;	 /* ns since 1970: of the first sample if timed, else of the profile */
};

/* 0 or -ENOMEM, -E2BIG. thread_table_free() also after a failure. */
int thread_table_init(struct thread_table *t, const struct profile *p);
void thread_table_free(struct thread_table *t);
/* When the sample was taken, or 0. */
int64_t sample_timestamp(const struct profile *p, size_t sample);
/* "comm (process 12)", "comm (thread 13)": to free; NULL without memory. */
char *thread_title(const char *comm, const char *what, int64_t id);

/* For files without times of samples: the time (ns) that a sample of this value is drawn as, one
 * behind another. The length of each for counts of samples, the value itself for times, else what
 * fills the profile's duration. */
struct thread_clock {
	double per_unit;
};
struct thread_clock thread_clock(const struct profile *p, size_t sample_type);

#endif
