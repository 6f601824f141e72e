/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * heap_sample.h - which allocations are sampled, and what a sample stands for. In integers only, so
 * that BPF programs and the preload library do the same.
 *
 * A thread counts down the bytes that it allocates. An allocation that is not below the count is a
 * sample (one, however often the count would fit into it), and the next count is drawn anew; so is
 * it for a thread's first allocation. The counts are exponential with mean R bytes, rounded up:
 * whole bytes that have no memory either, so that an allocation of S bytes is a sample with the
 * chance 1 - exp(-S/R), whatever came before it. Its weight, S / (1 - exp(-S/R)) bytes, makes the
 * sum over all samples exact in expectation, and weight / S that of objects.
 *
 * R = 1 means no sampling: each allocation is a sample whose weight is its size. A request of 0
 * bytes counts as 1.
 */
#ifndef PROFD_HEAP_SAMPLE_H
#define PROFD_HEAP_SAMPLE_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define HEAP_MEAN_DEFAULT (512ULL << 10)
#define HEAP_MEAN_MAX	  (1ULL << 40)
#define HEAP_SIZE_MAX	  (1ULL << 47) /* no user address space is larger; more is taken as this */
#define HEAP_WEIGHT_SHIFT 16	       /* weights are in bytes / 65536 */

/* Fractions below: "Q62" is a number of units of 2^-62. */
#define HEAP_ONE_Q60 (1ULL << 60)
#define HEAP_ONE_Q62 (1ULL << 62)

/* Of a loop whose divisors are constants then. */
#ifdef __clang__
#define HEAP_UNROLL _Pragma("clang loop unroll(full)")
#else
#define HEAP_UNROLL _Pragma("GCC unroll 32")
#endif

/* The upper half of a product. */
static inline __u64 heap_mul_high(__u64 a, __u64 b)
{
#ifdef __bpf__
	__u64 a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
	__u64 middle = a1 * b0 + (a0 * b0 >> 32);
	__u64 low = a0 * b1 + (middle & 0xffffffff);

	return a1 * b1 + (middle >> 32) + (low >> 32);
#else
	return (__u64)((unsigned __int128)a * b >> 64);
#endif
}

/* The zeros before the first one in a number that is not 0. (A builtin is too much for clang 14
 * when it compiles for BPF.) */
static inline unsigned int heap_leading_zeros(__u64 v)
{
	unsigned int zeros = 0;

	HEAP_UNROLL
	for (unsigned int half = 32; half; half /= 2) {
		if (v >> (64 - half))
			continue;
		v <<= half;
		zeros += half;
	}
	return zeros;
}

/* 64 random bits (splitmix64: a counter, mixed). Any state is a good seed. */
static inline __u64 heap_random(__u64 *state)
{
	__u64 x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* 1 / v in Q61 for v in Q62, of 0.2 to 1: an estimate from below by division, and a step of
 * Newton's, which leaves an error of 2^-56. */
static inline __u64 heap_reciprocal(__u64 v)
{
	__u64 r = ((1ULL << 63) / ((v >> 31) + 1)) << 29;
	__u64 rest = (1ULL << 59) - heap_mul_high(v, r); /* 1 - v r, Q59 */

	return r + heap_mul_high(r, rest << 5);
}

/* -ln(r / 2^64) in Q58, for r > 0: by the power of two in r and, for what is left of it, m of 1/2
 * to 1, by 2z (1 + z^2/3 + z^4/5 + ...) with z = (1 - m) / (1 + m). Relative error below 2^-35, but
 * for the last bits of r. */
static inline __u64 heap_minus_log(__u64 r)
{
	const __u64 ln2_q64 = 0xb17217f7d1cf79acULL;
	unsigned int zeros = heap_leading_zeros(r);
	__u64 m = (r << zeros) >> 2; /* Q62 */
	/* z in Q62, or 2z in Q61. */
	__u64 z = heap_mul_high((HEAP_ONE_Q62 - m) << 2, heap_reciprocal((HEAP_ONE_Q62 + m) >> 1));
	__u64 square = heap_mul_high(z << 2, z << 2); /* at most 1/9, Q64 */
	__u64 sum = 0;				      /* Q62 */

	HEAP_UNROLL
	for (unsigned int n = 11; n-- > 0;)
		sum = HEAP_ONE_Q62 / (2 * n + 1) + heap_mul_high(square, sum);
	return heap_mul_high((__u64)zeros << 58, ln2_q64) + (heap_mul_high(z, sum) >> 1);
}

/* The bytes to the next sample, itself included, by a random number: at least 1. mean: 1 to
 * HEAP_MEAN_MAX. */
static inline __u64 heap_distance(__u64 number, __u64 mean)
{
	return heap_mul_high(mean << 6, heap_minus_log(number | 1)) + 1;
}

static inline __u64 heap_countdown(__u64 *random, __u64 mean)
{
	return mean <= 1 ? 1 : heap_distance(heap_random(random), mean);
}

/* exp(-x) in Q62 for x below 64 in Q57: halved as often as ln 2 fits into x, and the series. */
static inline __u64 heap_exp_minus(__u64 x)
{
	const __u64 ln2_q64 = 0xb17217f7d1cf79acULL, log2e_q62 = 0x5c551d94ae0bf85eULL;
	__u64 t = heap_mul_high(x, log2e_q62);	  /* Q55 */
	__u64 u = heap_mul_high(t << 9, ln2_q64); /* of its fraction, Q64 */
	__u64 sum = HEAP_ONE_Q62;

	HEAP_UNROLL
	for (unsigned int n = 17; n > 0; n--)
		sum = HEAP_ONE_Q62 - heap_mul_high(u, sum) / n;
	return (t >> 55) < 62 ? sum >> (t >> 55) : 0;
}

/* x / (exp(x) - 1) in Q60, of 1 down to 0, for x below 64 in Q57. */
static inline __u64 heap_beyond(__u64 x)
{
	if (x < 1ULL << 55) {
		/* Where the difference would lose what counts: the series
		 * 1 - x/2 + x^2/12 - x^4/720 + x^6/30240 - x^8/1209600 + x^10/47900160. */
		__u64 square = heap_mul_high(x << 7, x << 7); /* Q64 */
		__u64 sum = HEAP_ONE_Q60;

		sum = HEAP_ONE_Q60 - heap_mul_high(square, sum) * 5 / 198;
		sum = HEAP_ONE_Q60 - heap_mul_high(square, sum) / 40;
		sum = HEAP_ONE_Q60 - heap_mul_high(square, sum) / 42;
		sum = HEAP_ONE_Q60 - heap_mul_high(square, sum) / 60;
		return HEAP_ONE_Q60 - (x << 2) + heap_mul_high(square, sum) / 12;
	}
	__u64 e = heap_exp_minus(x);
	__u64 xe = heap_mul_high(x, e << 2); /* at most 1/e, Q57 */

	return heap_mul_high(xe << 6, heap_reciprocal(HEAP_ONE_Q62 - e));
}

/* The weight of a sample of size bytes, in bytes / 2^HEAP_WEIGHT_SHIFT: the exact one within 0.51
 * units and 2^-52 of it, and never less for a larger size (the size's own part rises by a byte, and
 * the errors of the other are below 2^-10 of one). mean: 1 to HEAP_MEAN_MAX. */
static inline __u64 heap_weight(__u64 size, __u64 mean)
{
	size = size > HEAP_SIZE_MAX ? HEAP_SIZE_MAX : size + !size;
	if (mean <= 1 || size / mean >= 64)
		return size << HEAP_WEIGHT_SHIFT;
	__u64 x = size / mean, rest = size % mean;

	HEAP_UNROLL
	for (int i = 0; i < 3; i++) {
		rest <<= 19;
		x = x << 19 | rest / mean;
		rest %= mean;
	}
	/* S / (1 - exp(-x)) is S + S / (exp(x) - 1), and S is R x. */
	return (size << HEAP_WEIGHT_SHIFT) + ((heap_mul_high(mean << 21, heap_beyond(x)) + 1) >> 1);
}

/* A weight in whole bytes, whose expectation over random numbers is exact. */
static inline __u64 heap_round(__u64 weight, __u64 random)
{
	return (weight + (random & ((1 << HEAP_WEIGHT_SHIFT) - 1))) >> HEAP_WEIGHT_SHIFT;
}

#endif
