/* SPDX-License-Identifier: MIT */
/* fake_clock.h - instead of libc's, a clock that stands still unless the test moves it. */
#ifndef PROFD_TEST_FAKE_CLOCK_H
#define PROFD_TEST_FAKE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "profd/tables.h"

#define SECOND 1000000000ULL

static uint64_t fake_now = 100000 * SECOND;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	*now = (struct timespec){(time_t)(fake_now / SECOND), (long)(fake_now % SECOND)};
	return 0;
}

static inline uint32_t fake_step(void)
{
	return (uint32_t)(fake_now >> TABLES_USED_SHIFT);
}

#endif
