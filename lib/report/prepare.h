/* SPDX-License-Identifier: MIT */
/*
 * prepare.h - what google/pprof does to a profile between reading it and reporting on it
 * (internal/driver/fetch.go).
 */
#ifndef PROFD_REPORT_PREPARE_H
#define PROFD_REPORT_PREPARE_H

#include <stdbool.h>

#include "profile/profile.h"

/* What was read, before anything is subtracted: a profile without mappings gets an empty one. 0,
 * -ENOMEM, -E2BIG. */
int report_take(struct profile *p);

/* After that: shortens C++ names, and drops the frames that the file asks to drop. 0, -ENOMEM,
 * -E2BIG. */
int report_prepare(struct profile *p);

/* Subtracts a base in place of *p. normalize: *p is scaled to the base's sums before; mark: the
 * base's samples are labelled, so that shares are relative to them (-diff_base). What only one
 * measures is left out; with `normalize` both must measure the same. 0; -EINVAL with a line in
 * `why`; -ENOMEM, -E2BIG. */
int report_subtract(struct profile **p, struct profile *base, bool mark, bool normalize, char *why,
	size_t why_size);

#endif
