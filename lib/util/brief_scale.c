// SPDX-License-Identifier: MIT
#include "util/brief_scale.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_US 1000

static const uint32_t within[BRIEF_SCALE_STEPS] = {10, 20, 50, 100, 200, 500, 1000, 2000, 5000,
	10000, 20000, 50000, 100000, 200000, 500000, 1000000};

uint64_t brief_scale_within(unsigned step)
{
	return step < BRIEF_SCALE_STEPS ? within[step] : UINT64_MAX;
}

unsigned brief_scale_step(uint64_t ns)
{
	unsigned step = 0;

	while (step < BRIEF_SCALE_STEPS && ns > within[step] * (uint64_t)NS_PER_US)
		step++;
	return step;
}

void brief_scale_print(uint64_t us, char *out, unsigned size)
{
	if (us % 1000000 == 0)
		snprintf(out, size, "%" PRIu64 "s", us / 1000000);
	else if (us % 1000 == 0)
		snprintf(out, size, "%" PRIu64 "ms", us / 1000);
	else
		snprintf(out, size, "%" PRIu64 "us", us);
}

int brief_scale_parse(const char *text, uint32_t *us)
{
	char one[16];

	for (unsigned step = 0; step < BRIEF_SCALE_STEPS; step++) {
		brief_scale_print(within[step], one, sizeof(one));
		if (!strcmp(text, one)) {
			*us = within[step];
			return 0;
		}
	}
	return -EINVAL;
}
