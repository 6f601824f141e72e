/* SPDX-License-Identifier: MIT */
/*
 * gather.h - many profiles into one, by several threads, in memory that grows with the result and
 * not with what is read.
 *
 * The inputs are cut into shares of neighbours. A thread reads those of a share one by one, adds
 * what is selected to a profile of the share, and when its turn comes adds that to the result. How
 * the inputs are cut depends on their number only, and shares are added in order: the result, down
 * to its bytes, does not depend on the number of threads or on who was first.
 */
#ifndef PROFD_PROFILE_GATHER_H
#define PROFD_PROFILE_GATHER_H

#include "profile/profile.h"
#include "profile/select.h"

struct gather {
	size_t n; /* inputs */
	/* A descriptor of input i, which is closed when it was read, or -errno, with a line in
	 * `why` or explained already. Called by several threads at once. */
	int (*open)(void *userdata, size_t i, char *why, size_t why_size);
	const char *(*name)(void *userdata, size_t i); /* for messages; likewise */
	/* Input i was passed over: it cannot be read (`why` begins with its name), or it has no
	 * type of value in common with those before. Called for one at a time, in their order. */
	void (*skipped)(void *userdata, size_t i, int err, const char *why);
	void *userdata;
	const struct selection *selection; /* only these samples; may be NULL */
	size_t n_past;	  /* of the first so many, levels (profile_forget_levels) are of the past */
	unsigned threads; /* 0: one for each CPU, at most 8 */
};

/* Merges them all, as profile_merge does, in the types of value that all have (profile/agree.h);
 * one input of which all is selected is taken as it is, since merging would leave out samples of
 * nothing. *n_skipped counts those that were passed over. 0; -ENODATA when none is left; -ENOMEM,
 * -E2BIG (too large a result). */
int profile_gather(struct profile **out, const struct gather *g, size_t *n_skipped);

#endif
