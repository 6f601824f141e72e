/* SPDX-License-Identifier: MIT */
#include "report/compare.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile/strings.h"
#include "util/cleanup.h"

/* ---- the test ------------------------------------------------------------------------------- */

/* log of the binomial probability; q is neither 0 nor 1. lgamma_r has no global sign. */
static double log_binomial(double k, double n, double q)
{
	int sign;
	return lgamma_r(n + 1, &sign) - lgamma_r(k + 1, &sign) - lgamma_r(n - k + 1, &sign) +
	       k * log(q) + (n - k) * log1p(-q);
}

double binomial_p(double k, double n, double q)
{
	if (!(n > 0) || !(q > 0 && q < 1))
		return 1;
	/* The lower tail of k is the upper tail of n - k. */
	if (k < n * q) {
		k = n - k;
		q = 1 - q;
	}
	double term = exp(log_binomial(k, n, q)), tail = 0, odds = q / (1 - q);
	/* From the mean on terms fall, and soon too fast to matter. */
	while (k <= n && term > tail * 1e-17) {
		tail += term;
		term *= (n - k) / (k + 1) * odds;
		k++;
	}
	return tail < 0.5 ? 2 * tail : 1;
}

static double events(struct noisy v)
{
	return v.variance > 0 ? round(v.value * v.value / v.variance) : 0;
}

static double mean_weight(struct noisy v)
{
	return v.value > 0 ? v.variance / v.value : 0;
}

/* What an event stands for. Where there was none, it is what it would have been: as much more or
 * less than the mean of its profile as on the other side. */
static double weight(
	struct noisy v, struct noisy total, struct noisy other, struct noisy other_total)
{
	if (v.variance > 0)
		return mean_weight(v);
	return mean_weight(total) * mean_weight(other) / mean_weight(other_total);
}

static double p_of_change(struct noisy before, struct noisy after, const struct functions *b,
	const struct functions *a, double scale)
{
	double n = events(before) + events(after);
	double ratio = scale * weight(before, b->total, after, a->total) /
		       weight(after, a->total, before, b->total);

	/* A side that is empty altogether has no weight: that of the other is as good as any. */
	if (!isfinite(ratio) || ratio <= 0)
		ratio = scale;
	return binomial_p(events(after), n, ratio / (1 + ratio));
}

/* ---- all functions -------------------------------------------------------------------------- */

static struct noisy cost_of(const struct function_cost *cost, bool cum)
{
	return !cost ? (struct noisy){0} : cum ? cost->cum : cost->flat;
}

static void add_change(struct comparison *c, const char *name, struct noisy before,
	struct noisy after, const struct functions *b, const struct functions *a, double scale)
{
	/* What is less than nothing is a difference itself, and no sum of events. */
	bool judged = !b->exact && !a->exact && before.value >= 0 && after.value >= 0;

	if (before.value == 0 && after.value == 0)
		return;
	c->items[c->n++] = (struct change){
		.name = name,
		.before = before.value * scale,
		.after = after.value,
		.p = judged ? p_of_change(before, after, b, a, scale) : NAN,
		.mark = judged ? CHANGE_NOISE : CHANGE_UNJUDGED,
	};
}

static int compare_p(const void *a, const void *b)
{
	const struct change *x = *(struct change *const *)a, *y = *(struct change *const *)b;
	return x->p < y->p ? -1 : x->p > y->p;
}

static int mark_real(struct comparison *c)
{
	_cleanup_free_ struct change **sorted = calloc(c->n + 1, sizeof(struct change *));
	size_t n = 0, real = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < c->n; i++)
		if (c->items[i].mark != CHANGE_UNJUDGED)
			sorted[n++] = &c->items[i];
	qsort(sorted, n, sizeof(struct change *), compare_p);
	for (size_t i = 1; i <= n; i++)
		if (sorted[i - 1]->p <= (double)i / (double)n * COMPARE_FALSE_SHARE)
			real = i;
	for (size_t i = 0; i < real; i++)
		sorted[i]->mark = CHANGE_REAL;
	return 0;
}

static int compare_changes(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	double first = fabs(x->after - x->before), second = fabs(y->after - y->before);

	if (first != second)
		return first > second ? -1 : 1;
	return strcmp(x->name, y->name);
}

int compare_functions(struct comparison *out, const struct functions *before,
	const struct functions *after, double scale, bool cum)
{
	struct comparison c = {.items = calloc(before->n + after->n + 1, sizeof(*c.items))};

	*out = (struct comparison){0};
	if (!c.items)
		return -ENOMEM;
	for (size_t i = 0; i < after->n; i++) {
		const char *name = functions_name(after, &after->items[i]);
		add_change(&c, name, cost_of(functions_find(before, name), cum),
			cost_of(&after->items[i], cum), before, after, scale);
	}
	for (size_t i = 0; i < before->n; i++) {
		const char *name = functions_name(before, &before->items[i]);
		if (!functions_find(after, name))
			add_change(&c, name, cost_of(&before->items[i], cum), (struct noisy){0},
				before, after, scale);
	}
	int r = mark_real(&c);
	if (r < 0) {
		comparison_free(&c);
		return r;
	}
	qsort(c.items, c.n, sizeof(*c.items), compare_changes);
	*out = c;
	return 0;
}

void comparison_free(struct comparison *c)
{
	free(c->items);
	*c = (struct comparison){0};
}
