/* SPDX-License-Identifier: MIT */
/*
 * compare.h - what changed between two profiles, function by function, and which changes are more
 * than chance.
 *
 * A function that had b events before and a after is held against the hypothesis that it costs the
 * same: then each of the a + b events fell on the side of `after` with a known chance, by the
 * scale between the sides and what an event stands for on each. The exact binomial test of that
 * says how likely it is that chance alone makes a difference as large. Of all functions together,
 * Benjamini and Hochberg's procedure marks as real as many as it can so that of the marked ones 5 %
 * at most are expected to be chance; where nothing changed at all, it marks anything in 5 % of
 * comparisons at most. (The events of one stack count in several cum values, which the procedure
 * admits.) This is the noise of sampling: whether the load was the same is for people to know.
 */
#ifndef PROFD_REPORT_COMPARE_H
#define PROFD_REPORT_COMPARE_H

#include "report/functions.h"

#define COMPARE_FALSE_SHARE 0.05

enum change_mark { CHANGE_NOISE, CHANGE_REAL, CHANGE_UNJUDGED };

struct change {
	const char *name;     /* of the functions that were compared */
	double before, after; /* before: scaled */
	double p;	      /* chance of a difference as large where there is none */
	enum change_mark mark;
};

struct comparison {
	struct change *items; /* the greatest difference first */
	size_t n;
};

/* Multiplies what was before by `scale` and compares flat values, or cum. Where a side says nothing
 * of its events nothing is judged. Names are borrowed from both. 0 or -ENOMEM. */
int compare_functions(struct comparison *out, const struct functions *before,
	const struct functions *after, double scale, bool cum);
void comparison_free(struct comparison *c);

/* The chance that of n events, each with chance q, as many as k or more (or, below the mean, k or
 * fewer) occur; doubled, at most 1: the p value of a two-sided exact test. */
double binomial_p(double k, double n, double q);

#endif
