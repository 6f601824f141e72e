/* SPDX-License-Identifier: MIT */
/* report.h - verdicts by program, and each distinct disagreement once. */
#ifndef TRUTH_REPORT_H
#define TRUTH_REPORT_H

#include <stdio.h>

#include "verdict.h"

#define REPORT_ENDS 256 /* enum profd_unwind_end is a byte */

struct program {
	char *name;
	uint64_t samples, complete;
	uint64_t verdicts[VERDICTS];
	uint64_t ends[REPORT_ENDS];
	uint64_t ways[REPORT_ENDS];
};

struct disagreement {
	uint64_t key; /* hash of program, verdict, and the frames at which they part */
	size_t program;
	enum verdict verdict;
	uint64_t count;
	char *text; /* both stacks, of the first such sample */
};

struct report {
	struct program *programs;
	size_t n_programs, programs_capacity;
	struct disagreement *disagreements;
	size_t n_disagreements, disagreements_capacity;
};

/* Takes the verdict on a sample. 0 or -ENOMEM. */
int report_add(struct report *report, const struct space *space,
	const struct capture_record *sample, const uint64_t *frames, const struct walk *libdw,
	struct judgement judgement);
void report_free(struct report *report);

void report_table(const struct report *report, FILE *out);
void report_disagreements(struct report *report, FILE *out);

struct report_limits {
	uint64_t samples;	/* at least so many of each program */
	double wrong, complete; /* at most, at least so many % */
};
/* TAP lines for a program, also for one of which there is no sample; how many are not ok. */
int report_tap(const struct report *report, const char *program, const struct report_limits *limits,
	FILE *out);

#endif
