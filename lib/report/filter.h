/* SPDX-License-Identifier: MIT */
/*
 * filter.h - focus, ignore, hide, show, show_from, prune_from and the tag filters, as google/pprof
 * applies them (internal/driver/driver_focus.go, profile/filter.go, profile/prune.go).
 */
#ifndef PROFD_REPORT_FILTER_H
#define PROFD_REPORT_FILTER_H

#include "profile/profile.h"
#include "report/config.h"
#include "report/label_units.h"

/* Changes stacks, labels and samples in place; an option that matched nothing is logged. 0; -EINVAL
 * with a line in `why` for a pattern that is none; -ENOMEM. */
int filter_apply(struct profile *p, const struct report_config *config,
	const struct label_units *units, char *why, size_t why_size);

#endif
