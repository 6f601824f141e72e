// SPDX-License-Identifier: MIT
#include "report/leak_judge.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "util/age_scale.h"
#include "util/cleanup.h"

/* Standard deviations from which on growth is more than noise: stacks are many. */
#define SURE 3
/* Samples without which a leak is not called one. */
#define ENOUGH 8
/* A leak goes on as fast as before, give or take; what slows down to this share does not. */
#define SLOWER 0.25
/* Of what has become old, the share that may be freed of a leak. */
#define MOSTLY_KEPT 0.3
/* What was added last, so small a share, is nothing. */
#define NOTHING 0.05

/* ---- least squares -------------------------------------------------------------------------- */

struct trend {
	double slope, deviation; /* a second */
};

/* What a moment does to the slope. */
struct pull {
	double factor, variance;
};

static int compare_pulls(const void *a, const void *b)
{
	double x = ((const struct pull *)a)->variance, y = ((const struct pull *)b)->variance;

	return (x < y) - (x > y);
}

/* The variance of the slope by sampling alone; factor i of a moment is (time - mean) / sum.
 *
 * If all is the same, moments have the smaller one of their variances in common: the sum over all
 * pairs of factor i * factor k * min(variance i, variance k). The minimum counts each layer of
 * variance that both reach up to, so layer by layer, from the highest one on, it is the square of
 * what the factors of those who reach it add up to. pulls: room for n. */
static double sampling_noise(
	const struct leak_moment *m, size_t n, double mean, double sum, struct pull *pulls)
{
	double different = 0, same = 0, reach = 0;

	for (size_t i = 0; i < n; i++) {
		double f = (m[i].time - mean) / sum;

		pulls[i] = (struct pull){f, m[i].variance};
		different += f * f * m[i].variance;
	}
	qsort(pulls, n, sizeof(*pulls), compare_pulls);
	for (size_t i = 0; i < n; i++) {
		double below = i + 1 < n ? pulls[i + 1].variance : 0;

		reach += pulls[i].factor;
		same += reach * reach * (pulls[i].variance - below);
	}
	return fmax(different, same);
}

/* pulls: room for n. */
static struct trend fit(const struct leak_moment *m, size_t n, struct pull *pulls)
{
	double time = 0, bytes = 0, squares = 0, products = 0, off = 0;

	for (size_t i = 0; i < n; i++) {
		time += m[i].time / (double)n;
		bytes += m[i].bytes / (double)n;
	}
	for (size_t i = 0; i < n; i++) {
		squares += (m[i].time - time) * (m[i].time - time);
		products += (m[i].time - time) * (m[i].bytes - bytes);
	}
	if (n < 2 || !(squares > 0))
		return (struct trend){NAN, NAN};
	double slope = products / squares;
	for (size_t i = 0; i < n; i++) {
		double d = m[i].bytes - bytes - slope * (m[i].time - time);

		off += d * d;
	}
	off = n > 2 ? off / (double)(n - 2) / squares : 0;
	return (struct trend){slope, sqrt(off + sampling_noise(m, n, time, squares, pulls))};
}

/* ---- a series of moments -------------------------------------------------------------------- */

/* Whether much of what was gained was lost again. */
static bool falls(const struct leak_moment *m, size_t n)
{
	double least = m[0].bytes, most = m[0].bytes, fall = 0;
	size_t top = 0;

	for (size_t i = 1; i < n; i++) {
		double down = m[top].bytes - m[i].bytes;

		if (down > SURE * sqrt(m[top].variance + m[i].variance))
			fall = fmax(fall, down);
		if (down < 0)
			top = i;
		least = fmin(least, m[i].bytes);
		most = fmax(most, m[i].bytes);
	}
	return fall > SLOWER * (most - least);
}

/* For how long nearly as much as in the end was in use. */
static double quiet(const struct leak_moment *m, size_t n)
{
	double enough = (1 - NOTHING) * m[n - 1].bytes;
	size_t i = n - 1;

	while (i && m[i - 1].bytes >= enough)
		i--;
	return m[n - 1].time - m[i].time;
}

static enum leak_verdict judge_series(const struct leak_history *h, const struct trend *all,
	struct pull *pulls, struct leak_judgement *j)
{
	const struct leak_moment *m = h->moments;
	size_t n = h->n_moments, n_late = n / 3 < LEAK_MOMENTS ? (n + 1) / 2 : n / 3;
	struct trend late = fit(m + n - n_late, n_late, pulls);
	bool grows = all->slope > SURE * all->deviation;

	j->since = quiet(m, n);
	if (falls(m, n))
		return LEAK_FREED;
	if (!grows && (all->slope < all->deviation ||
			      j->since > (1 - SLOWER) * (m[n - 1].time - m[0].time)))
		return m[n - 1].bytes > 0 && m[0].bytes < SLOWER * m[n - 1].bytes ? LEAK_STOPPED
										  : LEAK_STEADY;
	if (late.slope < SLOWER * all->slope || late.slope <= 0)
		return m[n - 1].bytes > m[0].bytes ? LEAK_STOPPED : LEAK_FREED;
	return grows ? LEAK_GROWS : LEAK_UNSURE;
}

/* ---- ages ----------------------------------------------------------------------------------- */

/* What is from so old to so old; steps that lie in it in part count in part. Nothing is older than
 * `span`. */
static struct leak_age between(
	const struct leak_age *ages, size_t n, double span, double from, double to)
{
	struct leak_age sum = {.from = from, .to = to};

	for (size_t i = 0; i < n; i++) {
		double end = fmin(ages[i].to, span);
		double low = fmax(from, ages[i].from), high = fmin(to, end);
		double share = high <= low ? 0 : (high - low) / (end - ages[i].from);

		sum.bytes += share * ages[i].bytes;
		sum.variance += share * ages[i].variance;
		sum.events += share * ages[i].events;
	}
	return sum;
}

static double rate(struct leak_age a)
{
	return a.to > a.from ? a.bytes / (a.to - a.from) : 0;
}

static struct leak_age in_use(const struct leak_history *h, double from, double to)
{
	return between(h->in_use, h->n_in_use, h->span, from, to);
}

static struct leak_age freed(const struct leak_history *h, double from, double to)
{
	return between(h->freed, h->n_freed, h->span, from, to);
}

/* How much of what is in use now was so at the moments that are steps of ages: the series of what
 * is never freed. Without the first step, in which a program starts. */
static struct trend trend_of_old(const struct leak_history *h, struct pull *pulls)
{
	struct leak_moment m[AGE_SCALE_STEPS + 1] = {{.time = -h->span}};
	size_t n = 1;

	for (size_t i = h->n_in_use; i-- > 0 && n <= AGE_SCALE_STEPS;) {
		const struct leak_age *a = &h->in_use[i];

		if (a->from < h->older)
			break;
		if (a->from >= h->span)
			continue;
		m[n] = (struct leak_moment){
			-a->from, m[n - 1].bytes + a->bytes, m[n - 1].variance + a->variance};
		n++;
	}
	return n > 3 ? fit(m + 1, n - 1, pulls) : fit(m, n, pulls);
}

/* The age that nearly nothing is younger than. */
static double youngest(const struct leak_history *h)
{
	double all = in_use(h, 0, h->span).bytes, so_far = 0;

	for (size_t i = 0; i < h->n_in_use; i++) {
		so_far += h->in_use[i].bytes;
		if (so_far > NOTHING * all)
			return h->in_use[i].from;
	}
	return 0;
}

/* Share of what has become so old that was freed then. */
static double freed_later(const struct leak_history *h, double age)
{
	double gone = freed(h, age, h->span).bytes, kept = in_use(h, age, h->span).bytes;

	return gone > 0 ? gone / (gone + kept) : 0;
}

static enum leak_verdict judge_ages(
	const struct leak_history *h, const struct trend *trend, struct leak_judgement *j)
{
	double half = (h->older + h->span) / 2;
	struct leak_age early = in_use(h, half, h->span), recent = in_use(h, h->older, half);
	struct leak_age young = in_use(h, 0, h->older);
	double events = early.events + recent.events, fastest = fmax(rate(early), rate(recent));
	/* Of a leak, as many samples would be young. */
	double expected = h->span > h->older ? events / (h->span - h->older) * h->older : 0;

	j->since = youngest(h);
	if (!(early.bytes + recent.bytes > 0))
		return LEAK_YOUNG;
	if (freed_later(h, half) > MOSTLY_KEPT ||
		(j->later > MOSTLY_KEPT && rate(early) < SLOWER * rate(recent)))
		return LEAK_FREED;
	if (j->since >= half)
		return LEAK_STEADY;
	if (rate(young) < SLOWER * fastest && expected >= SURE)
		return LEAK_STOPPED;
	if (rate(recent) < SLOWER * fastest && recent.events + early.events >= SURE)
		return LEAK_STOPPED;
	if (rate(early) < SLOWER * fastest || rate(young) < SLOWER * fastest)
		return LEAK_UNSURE;
	return events + young.events >= ENOUGH && trend->slope > trend->deviation ? LEAK_GROWS
										  : LEAK_UNSURE;
}

/* In the beginning, what does not live long grows, too, until as much is freed as is allocated. */
static struct trend trend_of_series(const struct leak_history *h, struct pull *pulls)
{
	size_t skip = h->n_moments < 2 * LEAK_MOMENTS ? 0 : h->n_moments / 4;

	return fit(h->moments + skip, h->n_moments - skip, pulls);
}

/* ---- both ----------------------------------------------------------------------------------- */

static void note_lifetimes(const struct leak_history *h, struct leak_judgement *j)
{
	double all = freed(h, 0, h->span).bytes + in_use(h, 0, h->span).bytes;

	j->later = freed_later(h, h->older);
	if (all > 0)
		j->quick = freed(h, 0, h->older).bytes / all;
}

int leak_judge(const struct leak_history *h, struct leak_judgement *out)
{
	struct leak_judgement j = {.verdict = LEAK_UNSURE, .later = NAN, .quick = NAN};
	bool has_ages = h->n_in_use || h->n_freed;
	_cleanup_free_ struct pull *pulls = calloc(
		h->n_moments + AGE_SCALE_STEPS + 1, sizeof(*pulls));
	struct trend trend;

	if (!pulls)
		return -ENOMEM;
	trend = h->n_moments > 1 || !has_ages ? trend_of_series(h, pulls) : trend_of_old(h, pulls);
	if (has_ages)
		note_lifetimes(h, &j);
	if (h->n_moments >= LEAK_MOMENTS)
		j.verdict = judge_series(h, &trend, pulls, &j);
	else if (has_ages)
		j.verdict = judge_ages(h, &trend, &j);
	else if (trend.slope <= trend.deviation)
		j.verdict = LEAK_STEADY;
	j.growth = trend.slope;
	j.deviation = trend.deviation;
	*out = j;
	return 0;
}
