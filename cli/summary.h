/* SPDX-License-Identifier: MIT */
/* summary.h - what is said on standard error when a recording is done. */
#ifndef PROFD_CLI_SUMMARY_H
#define PROFD_CLI_SUMMARY_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "profile/profile.h"

/* Totals of a "done" event, why it ended, and what to type next with `path` (NULL: nothing, it went
 * into a pipe). The profile is read for the number of threads, and for what of a heap profile is
 * unfinished, from `fd` (borrowed) or, if that is -1, from `path`; where neither can be read that
 * is left out. */
void summary_print(const cJSON *done, const char *reason, int fd, const char *path);

/* Distinct values of the label tid. */
size_t summary_threads(const struct profile *p);
/* Which share of what a heap profile says was allocated has stacks that break off since tables were
 * not loaded in time. 0 of other profiles. */
double summary_unfinished(const struct profile *p);

#endif
