/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "profd/heap_sample.h"

#define SEEDS 200
#define MEAN  HEAP_MEAN_DEFAULT
#define UNIT  (1.0L / (1 << HEAP_WEIGHT_SHIFT))

static long double exact_weight(__u64 size, __u64 mean)
{
	return mean == 1 ? size : size / -expm1l(-(long double)size / mean);
}

static long double weight(__u64 size, __u64 mean)
{
	return heap_weight(size, mean) * UNIT;
}

/* One of 1 to 2^bits, of all orders of magnitude alike. */
static __u64 any(__u64 *random, unsigned int bits)
{
	unsigned int drop = (unsigned int)(heap_random(random) % (bits + 1));

	return (heap_random(random) >> (64 - bits) >> drop) + 1;
}

static void test_weight_is_exact(void **state)
{
	__u64 random = 1;

	for (int i = 0; i < 500000; i++) {
		__u64 mean = any(&random, 40), size = any(&random, 47);

		if (mean > HEAP_MEAN_MAX)
			mean = HEAP_MEAN_MAX;
		if (size > HEAP_SIZE_MAX)
			size = HEAP_SIZE_MAX;
		long double exact = exact_weight(size, mean);
		long double error = fabsl(weight(size, mean) - exact);

		if (error > 0.51L * UNIT + ldexpl(exact, -52) ||
			(mean >= 8 && error > 1e-6L * exact))
			fail_msg("size %llu, mean %llu: %Lf for %Lf", size, mean,
				weight(size, mean), exact);
	}
}

static void assert_rises(__u64 from, __u64 to, __u64 mean)
{
	for (__u64 size = from; size < to && size < HEAP_SIZE_MAX; size++)
		if (heap_weight(size + 1, mean) < heap_weight(size, mean))
			fail_msg("size %llu, mean %llu", size, mean);
}

static void test_weight_never_falls(void **state)
{
	/* Where one way to compute it ends, and anywhere. */
	static const double seams[] = {1.0 / 4, 64, 1.0 / 64, 1, 8};
	__u64 random = 2;

	for (unsigned int bits = 0; bits <= 40; bits++) {
		__u64 mean = 1ULL << bits;

		for (size_t i = 0; i < sizeof(seams) / sizeof(*seams); i++) {
			__u64 size = (__u64)((double)mean * seams[i]);

			assert_rises(size > 50 ? size - 50 : 1, size + 50, mean);
		}
		for (int i = 0; i < 2000; i++) {
			__u64 size = any(&random, 47);

			assert_rises(size, size + 5,
				mean - (bits ? heap_random(&random) % (mean / 2) : 0));
		}
	}
}

static void test_weight_at_its_limits(void **state)
{
	assert_int_equal(heap_weight(0, MEAN), heap_weight(1, MEAN));
	for (__u64 size = 1; size < HEAP_SIZE_MAX; size = size * 3 + 1)
		assert_int_equal(heap_weight(size, 1), size << HEAP_WEIGHT_SHIFT);
	assert_int_equal(heap_weight(0, 1), 1 << HEAP_WEIGHT_SHIFT);
	assert_int_equal(
		heap_weight(HEAP_SIZE_MAX, HEAP_MEAN_MAX), HEAP_SIZE_MAX << HEAP_WEIGHT_SHIFT);
	assert_int_equal(heap_weight(UINT64_MAX, MEAN), HEAP_SIZE_MAX << HEAP_WEIGHT_SHIFT);
}

static void test_rounding_is_exact(void **state)
{
	const __u64 weight = (12345 << HEAP_WEIGHT_SHIFT) + 6789;
	__u64 sum = 0;

	for (__u64 random = 0; random < 1 << HEAP_WEIGHT_SHIFT; random++)
		sum += heap_round(weight, random | 0xabcd0000);
	assert_int_equal(sum, weight);
	for (__u64 random = 0; random < 1 << HEAP_WEIGHT_SHIFT; random++)
		assert_int_equal(heap_round(heap_weight(77, 1), random), 77);
}

static void test_countdown_without_sampling(void **state)
{
	__u64 random = 3;

	for (int i = 0; i < 1000; i++)
		assert_int_equal(heap_countdown(&random, 1), 1);
}

/* By chi-square over ranges that all have the same chance, for means of all sizes: a count of n has
 * the chance exp(-(n-1)/R) - exp(-n/R). */
static void test_countdown_is_exponential(void **state)
{
	enum { RANGES = 64, DRAWS = 200000 };
	__u64 random = 4;

	for (unsigned int bits = 12; bits <= 40; bits += 4) {
		__u64 mean = 1ULL << bits;
		unsigned int counts[RANGES] = {0};
		double chi = 0, sum = 0;

		for (int i = 0; i < DRAWS; i++) {
			__u64 n = heap_countdown(&random, mean);
			double u = exp(-((double)n - 0.5) / (double)mean);

			assert_in_range(n, 1, mean * 46);
			counts[(int)(u * RANGES)]++;
			sum += (double)n;
		}
		for (int i = 0; i < RANGES; i++) {
			double expected = (double)DRAWS / RANGES, d = counts[i] - expected;

			chi += d * d / expected;
		}
		/* 63 degrees of freedom: beyond in one of 10,000. */
		if (chi < 28 || chi > 113)
			fail_msg("mean 2^%u: chi-square %f", bits, chi);
		/* The mean of what is rounded up lies half a byte higher. */
		double z = (sum / DRAWS - 0.5 - (double)mean) / ((double)mean / sqrt(DRAWS));

		if (fabs(z) > 4)
			fail_msg("mean 2^%u: z %f", bits, z);
	}
}

/* Small counts are as likely as small allocations need them: 16 of 2^24 bytes. */
static void test_small_counts(void **state)
{
	const int draws = 20000000;
	__u64 random = 5;
	int hits = 0;

	for (int i = 0; i < draws; i++)
		hits += heap_countdown(&random, 1 << 20) <= 16;
	double expected = draws * -expm1(-16.0 / (1 << 20));

	assert_true(fabs(hits - expected) < 4 * sqrt(expected));
}

struct sums {
	double bytes, objects;
};

/* n objects of one size by one thread: what the samples say of them. */
static struct sums run(__u64 seed, __u64 size, unsigned int n)
{
	__u64 random = seed, left = heap_countdown(&random, MEAN);
	struct sums sums = {0};

	for (unsigned int i = 0; i < n; i++) {
		if (size < left) {
			left -= size;
			continue;
		}
		left = heap_countdown(&random, MEAN);
		__u64 bytes = heap_round(heap_weight(size, MEAN), heap_random(&random));

		sums.bytes += (double)bytes;
		sums.objects += (double)bytes / (double)size;
	}
	return sums;
}

/* z: how far the seeds lie from the truth, in standard deviations of each. */
static void assert_unbiased(const double *z, __u64 size, const char *what)
{
	double sum = 0, squares = 0;

	for (int i = 0; i < SEEDS; i++) {
		sum += z[i];
		squares += z[i] * z[i];
	}
	/* The mean of 200, and chi-square of 200 degrees of freedom (4 standard deviations). */
	if (fabs(sum / sqrt(SEEDS)) > 4 || squares < 200 - 80 || squares > 200 + 80)
		fail_msg("%llu bytes: %s: z %f, chi-square %f", size, what, sum / sqrt(SEEDS),
			squares);
}

static void test_samples_are_unbiased(void **state)
{
	for (__u64 size = 16; size <= 4 << 20; size *= 4) {
		double chance = -expm1(-(double)size / (double)MEAN), z[2][SEEDS];
		/* So many that both what is sampled and what is not is something. */
		unsigned int n = (unsigned int)(50 / (chance * (1 - chance)));
		double deviation = sqrt(n * (1 - chance) / chance);

		for (int i = 0; i < SEEDS; i++) {
			struct sums sums = run((__u64)i << 32 | size, size, n);

			z[0][i] = (sums.bytes - (double)size * n) / ((double)size * deviation);
			z[1][i] = (sums.objects - n) / deviation;
		}
		assert_unbiased(z[0], size, "bytes");
		assert_unbiased(z[1], size, "objects");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weight_is_exact),
		cmocka_unit_test(test_weight_never_falls),
		cmocka_unit_test(test_weight_at_its_limits),
		cmocka_unit_test(test_rounding_is_exact),
		cmocka_unit_test(test_countdown_without_sampling),
		cmocka_unit_test(test_countdown_is_exponential),
		cmocka_unit_test(test_small_counts),
		cmocka_unit_test(test_samples_are_unbiased),
	};

	return cmocka_run_group_tests_name("heap_sample", tests, NULL, NULL);
}
