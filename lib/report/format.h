/* SPDX-License-Identifier: MIT */
/*
 * format.h - values and percentages as google/pprof prints them
 * (internal/measurement/measurement.go), and which of a profile's sample types is meant.
 */
#ifndef PROFD_REPORT_FORMAT_H
#define PROFD_REPORT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

#define FORMAT_VALUE_SIZE 352 /* DBL_MAX in %.2f, and a unit */

/* "1.23s", "12.50MB", "7"; zero is "0". */
void format_value(char *out, size_t size, int64_t value, const char *from, const char *to);
/* |value| as a share of total: "  100%", "12.34%", " 0.12%". */
void format_percentage(char *out, size_t size, int64_t value, int64_t total);

/* The index of a sample type: by number, by name (where "inuse_x" also finds "x"), or for NULL or
 * "" the file's default, else the last. -EINVAL with a line in `why` that names what there is. */
int format_sample_index(
	const struct profile *p, const char *name, size_t *index, char *why, size_t why_size);

#endif
