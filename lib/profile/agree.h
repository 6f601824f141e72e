/* SPDX-License-Identifier: MIT */
/*
 * agree.h - what profiles must have in common to be merged, and how those that measure different
 * things are brought to the same, as google/pprof does: of the types of value only those that both
 * have, by name, in the order of the first, each in the finer of its two units (profile/merge.go,
 * CompatibilizeSampleTypes; internal/measurement, ScaleProfiles).
 */
#ifndef PROFD_PROFILE_AGREE_H
#define PROFD_PROFILE_AGREE_H

#include <stdbool.h>

#include "profile/profile.h"

/* Leaves out types of value that share their name: nobody could say which is meant. 0; -EINVAL with
 * a line in `why` if no other is left. */
int profile_drop_ambiguous_types(struct profile *p, char *why, size_t why_size);

/* Brings two profiles to the same types and units, in place; *changed: `a` was not so before. The
 * names of units in `b`, which may be from pprof_read_lean(), stay as they are:
 * profile_take_units() sets them. 0; -EINVAL with a line in `why` if they have nothing in common,
 * and both are as they were; -ENOMEM, -E2BIG. */
int profile_agree(struct profile *a, struct profile *b, bool *changed, char *why, size_t why_size);
int profile_take_units(struct profile *b, const struct profile *a);

/* Multiplies the values of each type, rounding; a sample of which all those that change became 0
 * is dropped. */
void profile_scale(struct profile *p, const double *ratios);

/* Takes the values of types that are levels and no sums (in use, by a name that begins with
 * "inuse_") for 0: they were true at one moment, and are not to be added to those of another. */
void profile_forget_levels(struct profile *p);

/* To a profile of allocations without what is in use: types for that, with nothing in use, so that
 * those of others that know it are not lost when it is added to them. 0 or -ENOMEM. */
int profile_add_levels(struct profile *p);

/* Whether types, period type and all units are the same. 0; -EINVAL with a line in `why`. */
int profile_check_types(
	const struct profile *into, const struct profile *from, char *why, size_t why_size);

#endif
