/* SPDX-License-Identifier: MIT */
/* compare.h - from capture files to a report. */
#ifndef TRUTH_COMPARE_H
#define TRUTH_COMPARE_H

#include "report.h"

/* Compares all samples of a capture file; those of kernel threads, and those before the first
 * CAPTURE_MAPS record of their process, are left out. 0 or -errno. */
int compare_capture(struct report *report, const char *path);

#endif
