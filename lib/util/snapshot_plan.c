// SPDX-License-Identifier: MIT
#include "util/snapshot_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/parse.h"

#define MAX_SECONDS (7 * 86400)
#define MAX_BYTES   (1ULL << 50)

static bool take_bytes(const char *text, const char *ending, uint64_t *bytes)
{
	size_t n = strlen(text), m = strlen(ending);
	char size[32];
	uint64_t read;

	if (n <= m || n - m >= sizeof(size) || strcmp(text + n - m, ending) != 0)
		return false;
	snprintf(size, sizeof(size), "%.*s", (int)(n - m), text);
	if (parse_size(size, &read) || read == 0 || read > MAX_BYTES)
		return false;
	*bytes = read;
	return true;
}

static bool take_seconds(const char *text, uint32_t *seconds)
{
	uint64_t n;

	if (parse_duration(text, &n) || n == 0 || n > MAX_SECONDS)
		return false;
	*seconds = (uint32_t)n;
	return true;
}

int snapshot_plan_add(struct snapshot_plan *plan, const char *text, char *wrong, size_t size)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy;

	if (!copy)
		return -ENOMEM;
	for (char *one; (one = strtok_r(rest, ", \t", &rest));) {
		if (take_bytes(one, "-allocated", &plan->allocated) ||
			take_bytes(one, "-grown", &plan->grown) ||
			take_seconds(one, &plan->seconds))
			continue;
		snprintf(wrong, size, "%s", one);
		return -EINVAL;
	}
	return 0;
}

bool snapshot_plan_has(const struct snapshot_plan *plan)
{
	return plan->seconds || plan->allocated || plan->grown;
}
