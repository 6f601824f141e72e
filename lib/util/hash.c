/* SPDX-License-Identifier: MIT */
#include "util/hash.h"

#include <sys/auxv.h>

uint64_t hash_seed(void)
{
	static uint64_t seed;
	if (!seed) {
		/* 16 random bytes from execve (getauxval(3)). The stack protector uses them too:
		 * a hash of them gives nothing away. */
		const void *random = (const void *)getauxval(AT_RANDOM); // NOLINT
		seed = (random ? XXH3_64bits(random, 16) : 0) | 1;
	}
	return seed;
}
