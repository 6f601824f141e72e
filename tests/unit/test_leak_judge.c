// SPDX-License-Identifier: MIT
/* test_leak_judge.c - leaks, and what looks like them: made up from samples that come at random, by
 * many seeds, and judged by ages and by series. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "report/leak_judge.h"
#include "util/age_scale.h"

#define SEEDS	20
#define RIGHT	19
#define SPAN	90.0
#define OLDER	30.0
#define WEIGHT	524288.0 /* bytes that a sample stands for */
#define MOMENTS 16
#define MAX	100000

struct block {
	double born, died; /* INFINITY: never */
};

struct story {
	struct block blocks[MAX];
	size_t n;
	uint64_t random;
};

static struct story story;

/* From 0 to 1, without 0. */
static double chance(void)
{
	uint64_t *r = &story.random;

	*r ^= *r << 13;
	*r ^= *r >> 7;
	*r ^= *r << 17;
	return ((double)(*r >> 11) + 1) * 0x1p-53;
}

static double from_to(double low, double high)
{
	return low + chance() * (high - low);
}

static double exponential(double mean)
{
	return -mean * log(chance());
}

static void add(double born, double died)
{
	assert_true(story.n < MAX);
	story.blocks[story.n++] = (struct block){born, died};
}

/* So many samples a second from `begin` to `end`, that live so long on average. */
static void allocate(double rate, double begin, double end, double lifetime)
{
	for (double t = begin + exponential(1 / rate); t < end; t += exponential(1 / rate))
		add(t, isinf(lifetime) ? INFINITY : t + exponential(lifetime));
}

/* ---- stories -------------------------------------------------------------------------------- */

static void slow_leak(void)
{
	allocate(from_to(0.3, 1), 0, SPAN, INFINITY);
}

/* Of one stack: little of what it allocates is kept. */
static void slow_leak_below_churn(void)
{
	slow_leak();
	allocate(300, 0, SPAN, 0.01);
}

static void leak_below_long_lived(void)
{
	allocate(2, 0, SPAN, INFINITY);
	allocate(2, 0, SPAN, 2);
}

static void churn(void)
{
	allocate(300, 0, SPAN, from_to(0.01, 1));
}

static void sessions(void)
{
	allocate(3, 0, SPAN, from_to(5, 12));
}

static void full_cache(void)
{
	double rate = from_to(0.7, 3), end = from_to(0.3, 0.6) * SPAN;

	allocate(rate, 0, end, INFINITY);
}

static void half_full_cache(void)
{
	allocate(2, 0, SPAN / 2, INFINITY);
}

/* The fuller it is, the seldomer it misses. */
static void saturated_cache(void)
{
	double time = from_to(0.08, 0.15) * SPAN;

	for (int i = 0; i < 100; i++)
		add(exponential(time), INFINITY);
}

/* What is new takes the place of the oldest. */
static void cache_that_evicts(void)
{
	double rate = from_to(1, 3), keeps = from_to(10, 25);

	for (double t = exponential(1 / rate); t < SPAN; t += exponential(1 / rate))
		add(t, t + keeps);
}

static void start_up(void)
{
	double rate = from_to(10, 30), end = from_to(1, 5);

	allocate(rate, 0, end, INFINITY);
}

static void start_up_and_churn(void)
{
	start_up();
	allocate(100, 0, SPAN, 0.05);
}

static void batches(void)
{
	double period = from_to(8, 28), rate = from_to(1, 4);
	double first = from_to(0.2, 1) * period;

	for (double t = exponential(1 / rate); t < SPAN; t += exponential(1 / rate))
		add(t, t < first ? first : first + (floor((t - first) / period) + 1) * period);
}

/* ---- what is seen of them ------------------------------------------------------------------- */

static void put(struct leak_age *ages, double age)
{
	struct leak_age *a = &ages[age_scale_step((uint64_t)(1000 * age))];

	a->bytes += WEIGHT;
	a->variance += WEIGHT * WEIGHT;
	a->events++;
}

static void begin_ages(struct leak_age *ages)
{
	for (unsigned i = 0; i < AGE_SCALE_STEPS; i++)
		ages[i] = (struct leak_age){.from = (double)age_scale_from(i) / 1000,
			.to = (double)age_scale_from(i + 1) / 1000};
}

static struct leak_judgement by_ages(void)
{
	struct leak_age in_use[AGE_SCALE_STEPS], freed[AGE_SCALE_STEPS];
	struct leak_judgement j;

	begin_ages(in_use);
	begin_ages(freed);
	for (size_t i = 0; i < story.n; i++) {
		const struct block *b = &story.blocks[i];

		if (b->died > SPAN)
			put(in_use, SPAN - b->born);
		else
			put(freed, b->died - b->born);
	}
	leak_judge(&(struct leak_history){.in_use = in_use,
			   .freed = freed,
			   .n_in_use = AGE_SCALE_STEPS,
			   .n_freed = AGE_SCALE_STEPS,
			   .span = SPAN,
			   .older = OLDER},
		&j);
	return j;
}

static struct leak_judgement by_series(void)
{
	struct leak_moment moments[MOMENTS];
	struct leak_judgement j;

	for (size_t i = 0; i < MOMENTS; i++) {
		double now = SPAN * (double)(i + 1) / MOMENTS;
		double n = 0;

		for (size_t k = 0; k < story.n; k++)
			n += story.blocks[k].born <= now && story.blocks[k].died > now;
		moments[i] = (struct leak_moment){now, n * WEIGHT, n * WEIGHT * WEIGHT};
	}
	leak_judge(
		&(struct leak_history){
			.moments = moments, .n_moments = MOMENTS, .span = SPAN, .older = OLDER},
		&j);
	return j;
}

static void tell(void (*happens)(void), unsigned seed)
{
	story.n = 0;
	story.random = 0x9e3779b97f4a7c15ULL * (seed + 1);
	for (int i = 0; i < 8; i++)
		(void)chance();
	happens();
}

static void assert_right(void (*happens)(void), struct leak_judgement (*look)(void), bool is_leak)
{
	unsigned right = 0;

	for (unsigned seed = 0; seed < SEEDS; seed++) {
		tell(happens, seed);
		struct leak_judgement j = look();

		right += (j.verdict == LEAK_GROWS) == is_leak;
		if ((j.verdict == LEAK_GROWS) != is_leak)
			print_message("seed %u: verdict %d, %g ± %g, since %g, later %g\n", seed,
				j.verdict, j.growth, j.deviation, j.since, j.later);
	}
	assert_in_range(right, RIGHT, SEEDS);
}

static void test_leaks(void **state)
{
	void (*const stories[])(void) = {slow_leak, slow_leak_below_churn, leak_below_long_lived};

	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		assert_right(stories[i], by_ages, true);
		assert_right(stories[i], by_series, true);
	}
}

static void test_what_is_no_leak(void **state)
{
	void (*const stories[])(void) = {churn, sessions, full_cache, saturated_cache,
		cache_that_evicts, start_up, start_up_and_churn, batches};

	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		assert_right(stories[i], by_ages, false);
		assert_right(stories[i], by_series, false);
	}
}

/* ---- what is said beside -------------------------------------------------------------------- */

/* The truth lies within the uncertainty as often as it should. */
static void test_growth(void **state)
{
	unsigned ages = 0, series = 0;
	enum { N = 100 };

	for (unsigned seed = 0; seed < N; seed++) {
		struct leak_judgement j;

		story.n = 0;
		story.random = 1000003 * (seed + 1);
		for (int i = 0; i < 8; i++)
			(void)chance();
		allocate(1, 0, SPAN, INFINITY);
		j = by_ages();
		ages += fabs(j.growth - WEIGHT) < 2 * j.deviation;
		j = by_series();
		series += fabs(j.growth - WEIGHT) < 2 * j.deviation;
	}
	assert_in_range(ages, N * 9 / 10, N);
	assert_in_range(series, N * 9 / 10, N);
}

static void test_verdicts(void **state)
{
	tell(half_full_cache, 1);
	assert_int_equal(by_ages().verdict, LEAK_STOPPED);
	assert_true(by_ages().since >= SPAN / 3 && by_ages().since <= SPAN / 2);
	assert_int_equal(by_series().verdict, LEAK_STOPPED);
	tell(start_up, 1);
	assert_int_equal(by_ages().verdict, LEAK_STEADY);
	assert_int_equal(by_series().verdict, LEAK_STEADY);
	tell(batches, 1);
	assert_int_equal(by_series().verdict, LEAK_FREED);
	tell(churn, 1);
	assert_int_equal(by_ages().verdict, LEAK_YOUNG);
	assert_true(by_ages().quick > 0.95);
	tell(slow_leak, 1);
	assert_true(by_ages().quick == 0 && by_ages().later == 0);
}

static void test_too_little(void **state)
{
	const struct leak_moment two[] = {{0, 0, 0}, {10, 100, 100}};
	const struct leak_moment less[] = {{0, 200, 0}, {10, 100, 100}};
	struct leak_judgement j;

	story.n = 0;
	for (int i = 0; i < 3; i++)
		add(20 + 20 * i, INFINITY);
	assert_int_equal(by_ages().verdict, LEAK_UNSURE);
	leak_judge(
		&(struct leak_history){.moments = two, .n_moments = 2, .span = 10, .older = 3}, &j);
	assert_int_equal(j.verdict, LEAK_UNSURE);
	assert_true(j.growth == 10 && j.deviation > 0);
	leak_judge(&(struct leak_history){.moments = less, .n_moments = 2}, &j);
	assert_int_equal(j.verdict, LEAK_STEADY);
	leak_judge(&(struct leak_history){.moments = two, .n_moments = 1}, &j);
	assert_true(isnan(j.growth) && isnan(j.quick) && j.verdict == LEAK_UNSURE);
}

/* The deviation, pair by pair. */
static double deviation_by_pairs(const struct leak_moment *m, size_t n)
{
	double time = 0, bytes = 0, squares = 0, products = 0, off = 0, different = 0, same = 0;

	for (size_t i = 0; i < n; i++) {
		time += m[i].time / (double)n;
		bytes += m[i].bytes / (double)n;
	}
	for (size_t i = 0; i < n; i++) {
		squares += (m[i].time - time) * (m[i].time - time);
		products += (m[i].time - time) * (m[i].bytes - bytes);
	}
	for (size_t i = 0; i < n; i++) {
		double d = m[i].bytes - bytes - products / squares * (m[i].time - time);
		double f = (m[i].time - time) / squares;

		off += d * d;
		different += f * f * m[i].variance;
		for (size_t k = 0; k < n; k++)
			same += f * (m[k].time - time) / squares *
				fmin(m[i].variance, m[k].variance);
	}
	off = n > 2 ? off / (double)(n - 2) / squares : 0;
	return sqrt(off + fmax(different, same));
}

static void test_deviation(void **state)
{
	struct leak_moment m[200];
	struct leak_judgement j;

	story.random = 12345;
	for (size_t n = 2; n <= 200; n += n < 20 ? 1 : 60) {
		size_t skip = n < 2 * LEAK_MOMENTS ? 0 : n / 4;

		for (size_t i = 0; i < n; i++) {
			double samples = floor(from_to(0, n % 2 ? 5 : 1000));

			m[i] = (struct leak_moment){
				(double)i + chance(), samples * WEIGHT, samples * WEIGHT * WEIGHT};
		}
		assert_int_equal(
			leak_judge(&(struct leak_history){.moments = m, .n_moments = n}, &j), 0);
		double expected = deviation_by_pairs(m + skip, n - skip);
		assert_true(fabs(j.deviation - expected) <= 1e-9 * expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaks),
		cmocka_unit_test(test_what_is_no_leak),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_too_little),
		cmocka_unit_test(test_deviation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
