// SPDX-License-Identifier: MIT
#include "collector/snapshots.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_SECOND 1000000000ULL

void snapshots_begin(struct snapshots *s, const struct snapshot_plan *plan, uint64_t now)
{
	*s = (struct snapshots){
		.plan = *plan,
		.began = now,
		.not_before = now + plan->apart,
		.next_allocated = plan->allocated ? plan->allocated : UINT64_MAX,
		.next_in_use = plan->grown ? plan->grown : UINT64_MAX,
		.next_time = plan->seconds ? now + plan->seconds * NS_PER_SECOND : UINT64_MAX,
	};
}

void snapshots_ask(struct snapshots *s, const char *reason)
{
	snprintf(s->due, sizeof(s->due), "%s", reason);
}

/* As people write it: 64M. */
static void print_bytes(char *out, size_t size, uint64_t bytes)
{
	static const char units[] = "\0KMGT";
	unsigned unit = 0;

	while (bytes && bytes % 1024 == 0 && unit < 4) {
		bytes /= 1024;
		unit++;
	}
	snprintf(out, size, "%" PRIu64 "%.1s", bytes, &units[unit]);
}

bool snapshots_book(struct snapshots *s, uint64_t allocated, uint64_t in_use, uint64_t time,
	uint64_t now, char reason[SNAPSHOTS_REASON])
{
	bool by_allocated = allocated >= s->next_allocated, by_in_use = in_use >= s->next_in_use;
	char bytes[24];

	if ((!by_allocated && !by_in_use) || time < s->not_before || !snapshots_may(s, now))
		return false;
	print_bytes(bytes, sizeof(bytes), by_allocated ? s->plan.allocated : s->plan.grown);
	snprintf(reason, SNAPSHOTS_REASON, "%s %s", bytes, by_allocated ? "allocated" : "grown");
	if (by_allocated)
		s->next_allocated = allocated - allocated % s->plan.allocated + s->plan.allocated;
	if (by_in_use)
		s->next_in_use = in_use + s->plan.grown;
	return true;
}

bool snapshots_may(const struct snapshots *s, uint64_t now)
{
	return now >= s->not_before && now >= s->rests_until;
}

void snapshots_took(struct snapshots *s, uint64_t now, uint64_t ns)
{
	uint64_t rested = now + s->plan.rest * ns;

	if (s->rests_until < rested)
		s->rests_until = rested;
}

void snapshots_handed(struct snapshots *s, uint64_t bytes)
{
	s->bytes += bytes;
}

bool snapshots_spent(const struct snapshots *s)
{
	return s->plan.max_bytes && s->bytes >= s->plan.max_bytes;
}

void snapshots_tick(struct snapshots *s, uint64_t now)
{
	uint64_t step = s->plan.seconds * NS_PER_SECOND;

	if (now < s->next_time)
		return;
	s->next_time += (1 + (now - s->next_time) / step) * step;
	if (!*s->due)
		snprintf(s->due, sizeof(s->due), "each %u s", s->plan.seconds);
}

static double since_begin(const struct snapshots *s, uint64_t time)
{
	return time > s->began ? (double)(time - s->began) / NS_PER_SECOND : 0.0;
}

void snapshots_name_peak(
	const struct snapshots *s, uint64_t time, uint64_t bytes, char *comment, size_t size)
{
	snprintf(comment, size, "peak of in-use: %" PRIu64 " bytes, %.3f s after the beginning",
		bytes, since_begin(s, time));
}

bool snapshots_take(
	struct snapshots *s, uint64_t time, const char *reason, char *comment, size_t size)
{
	if ((s->n >= SNAPSHOTS_MAX && !s->plan.endless) || snapshots_spent(s)) {
		s->skipped++;
		return false;
	}
	s->not_before = time + s->plan.apart;
	s->n++;
	snprintf(comment, size, "snapshot %u, %s, %.1f s after the beginning", s->n, reason,
		since_begin(s, time));
	return true;
}
