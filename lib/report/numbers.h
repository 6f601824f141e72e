/* SPDX-License-Identifier: MIT */
/* numbers.h - sums and conversions with the results that Go's have on amd64, which google/pprof's
 * reports then show: sums wrap, and a float that does not fit becomes the smallest integer. */
#ifndef PROFD_REPORT_NUMBERS_H
#define PROFD_REPORT_NUMBERS_H

#include <stdint.h>

static inline int64_t wrapping_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t wrapping_mul(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a * (uint64_t)b);
}

static inline int64_t wrapping_abs(int64_t a)
{
	return a < 0 ? (int64_t)(0 - (uint64_t)a) : a;
}

/* A mean, where there is a divisor. */
static inline int64_t divided(int64_t value, int64_t divisor)
{
	if (!divisor)
		return value;
	return divisor == -1 ? (int64_t)(0 - (uint64_t)value) : value / divisor;
}

/* 2^63 is the first that does not fit; NaN does not compare. */
static inline int64_t to_int64(double value)
{
	return value >= -9223372036854775808.0 && value < 9223372036854775808.0 ? (int64_t)value
										: INT64_MIN;
}

#endif
