/* SPDX-License-Identifier: MIT */
/* fuzz_activity.c - .activity files: what is taken from one is no more than what is in it. */
#include <stdint.h>
#include <stdlib.h>

#include "store/activity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct activity a = {(const char *)data, (const char *)data + size};
	struct activity_second s;
	uint64_t samples;
	uint32_t pid;
	size_t lines = 0, processes = 0;
	int found;

	while ((found = activity_next(&a, &s)) != 0) {
		lines++;
		must(a.at <= a.end);
		if (found < 0)
			continue;
		must(s.second >= 0 && s.samples <= INT64_MAX);
		while (activity_next_process(&s, &pid, &samples) > 0)
			processes++;
		must(s.rest.at <= s.rest.end);
	}
	must(a.at == a.end && lines <= size && processes * 3 <= size);
	return 0;
}
