/* SPDX-License-Identifier: MIT */
/* leaks_report.h - prints what was judged of stacks that have memory in use (report/leaks.h). */
#ifndef PROFD_CLI_LEAKS_REPORT_H
#define PROFD_CLI_LEAKS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "report/leaks.h"
#include "suppressions.h"

#define LEAKS_MIN    65536
#define LEAKS_STACKS 20

struct leaks_view {
	uint64_t min;	   /* bytes in use of a stack, below which it is left out */
	uint32_t n_stacks; /* print so many; 0: all */
	bool only_leaks;   /* no others */
	struct suppressions known;
};

/* Of a profile that was recorded; seconds: how long it has really looked. `l` is to be freed also
 * after a failure. 0 or -errno, explained. */
int leaks_report_read(struct leaks *l, int fd, double seconds);
/* Judges, hides what is known, and sorts. older: as leaks_judge takes it. 0 or -ENOMEM. */
int leaks_report_prepare(struct leaks *l, const struct leaks_view *v, double older);
/* How many stacks are likely to leak. */
size_t leaks_report_count(const struct leaks *l, const struct leaks_view *v);
void leaks_report_print(const struct leaks *l, const struct leaks_view *v, FILE *out);
/* 0 or -ENOMEM. */
int leaks_report_json(const struct leaks *l, const struct leaks_view *v);

#endif
