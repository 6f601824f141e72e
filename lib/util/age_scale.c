// SPDX-License-Identifier: MIT
#include "util/age_scale.h"

#define SECOND 1000ULL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static const uint64_t from[AGE_SCALE_STEPS] = {0, 10, 30, 100, 200, 300, 500, 700, SECOND,
	2 * SECOND, 3 * SECOND, 5 * SECOND, 7 * SECOND, 10 * SECOND, 15 * SECOND, 20 * SECOND,
	30 * SECOND, 45 * SECOND, MINUTE, 90 * SECOND, 2 * MINUTE, 3 * MINUTE, 5 * MINUTE,
	7 * MINUTE, 10 * MINUTE, 15 * MINUTE, 20 * MINUTE, 30 * MINUTE, 45 * MINUTE, HOUR,
	90 * MINUTE, 2 * HOUR, 3 * HOUR, 5 * HOUR, 7 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY};

uint64_t age_scale_from(unsigned step)
{
	return step < AGE_SCALE_STEPS ? from[step] : UINT64_MAX;
}

unsigned age_scale_step(uint64_t ms)
{
	unsigned low = 0, high = AGE_SCALE_STEPS;

	while (high - low > 1) {
		unsigned middle = (low + high) / 2;

		if (from[middle] <= ms)
			low = middle;
		else
			high = middle;
	}
	return low;
}
