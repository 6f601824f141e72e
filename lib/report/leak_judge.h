/* SPDX-License-Identifier: MIT */
/*
 * leak_judge.h - whether what a stack has in use is likely to be a leak: from what was in use at a
 * series of moments, or from how old it is at the last one, and how old what was freed was.
 *
 * A leak goes on: what is kept was allocated early and late, and nobody frees it. A cache that is
 * full, or what a program needs from its start on, is kept as well, but nothing is added any more;
 * what is freed late or in batches may be old, but nothing of it stays.
 *
 * Values are estimates from samples, so each comes with its variance, and what is said of growth
 * with a standard deviation. That has two parts: how far the moments lie off the line, and the
 * noise of sampling, of which it is not known how much two moments have in common (blocks that are
 * in use at both were sampled once): of all the same and all different, the worse is taken.
 */
#ifndef PROFD_REPORT_LEAK_JUDGE_H
#define PROFD_REPORT_LEAK_JUDGE_H

#include <stddef.h>

/* Moments that a series needs to be judged; fewer say only whether there is more in the end. */
#define LEAK_MOMENTS 4

/* In use at a moment. */
struct leak_moment {
	double time; /* s */
	double bytes, variance;
};

/* What is, or was when it was freed, as old as that. */
struct leak_age {
	double from, to; /* s */
	double bytes, variance;
	double events; /* samples */
};

struct leak_history {
	const struct leak_moment *moments; /* in order of time */
	size_t n_moments;
	const struct leak_age *in_use, *freed; /* youngest first; none without ages */
	size_t n_in_use, n_freed;
	double span;  /* s: how long the last moment's profile has looked; of a series: between its
			 ends */
	double older; /* s: what is older should have been freed, or will stay */
};

enum leak_verdict {
	LEAK_LOST,    /* a leak: nothing leads to it any more (a scan says so, not leak_judge) */
	LEAK_GROWS,   /* likely a leak */
	LEAK_UNSURE,  /* it grows, but there is too little to be sure */
	LEAK_STOPPED, /* it grew, and does no more */
	LEAK_STEADY,  /* it was there from the start */
	LEAK_FREED,   /* it is freed later */
	LEAK_YOUNG,   /* nothing of it is older */
	LEAK_POSSIBLY_LOST, /* what leads to it leads into the middle (a scan) */
	LEAK_REACHABLE,	    /* something leads to all of it (a scan) */
	LEAK_VERDICTS,
};

struct leak_judgement {
	enum leak_verdict verdict;
	double growth, deviation; /* bytes a second; NAN: too few moments */
	double since;		  /* s: for so long nothing was added */
	double later;		  /* share of what became `older` that was freed then; NAN */
	double quick;		  /* share of what was allocated that was freed before that; NAN */
};

/* 0 or -ENOMEM. */
int leak_judge(const struct leak_history *h, struct leak_judgement *out);

#endif
