// SPDX-License-Identifier: MIT
#include "collector/heap_rate.h"

#define NS_PER_SECOND 1000000000ULL
/* One in a million is always kept, so that it is seen when there are fewer again. */
#define LEAST_KEPT 4295

/* Down at once, since rings are finite; up by halves, since a pause is not the end of a storm. */
uint32_t heap_rate_next(uint32_t keep, uint64_t came, uint64_t ns)
{
	unsigned __int128 allowed = (unsigned __int128)HEAP_RATE_MAX * ns / NS_PER_SECOND;
	uint64_t fits, up = (uint64_t)keep * 2;

	if (!ns || came <= allowed)
		fits = UINT32_MAX;
	else
		fits = (uint64_t)((allowed << 32) / came);
	if (fits > up)
		fits = up;
	return fits >= UINT32_MAX ? UINT32_MAX : fits < LEAST_KEPT ? LEAST_KEPT : (uint32_t)fits;
}
