/* SPDX-License-Identifier: MIT */
/* subtract.h - the difference of two profiles as one, as `go tool pprof -diff_base` makes it. */
#ifndef PROFD_PROFILE_SUBTRACT_H
#define PROFD_PROFILE_SUBTRACT_H

#include "profile/profile.h"

/* Adds what was before to `p`, times -scale and with the label pprof::base=true, which makes pprof
 * show shares of what was before. `before` is changed. 0; -EINVAL with a line in `why` when they
 * measure different things; -ENOMEM, -E2BIG. */
int profile_subtract(
	struct profile *p, struct profile *before, double scale, char *why, size_t why_size);
/* Gives every sample the label pprof::base=true, in place of one with that key. 0, -ENOMEM,
 * -E2BIG. */
int profile_mark_base(struct profile *p);

#endif
