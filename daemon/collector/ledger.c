// SPDX-License-Identifier: MIT
#include "collector/ledger.h"

#include <string.h>

const char *session_lost_name(enum session_lost reason)
{
	static const char *const names[LOST_COUNT] = {
		[LOST_CLOCK] = "clock",
		[LOST_SCRATCH] = "scratch",
		[LOST_RING] = "ring",
		[LOST_RECORD] = "record",
		[LOST_WINDOW] = "window",
		[LOST_STORE] = "store",
	};

	return (unsigned)reason < LOST_COUNT ? names[reason] : "unknown";
}

void ledger_add(struct ledger *a, const struct ledger *b)
{
	a->ticks += b->ticks;
	a->idle += b->idle;
	a->filtered += b->filtered;
	a->taken += b->taken;
	a->written += b->written;
	a->pending += b->pending;
	a->invisible += b->invisible;
	a->spent += b->spent;
	for (int i = 0; i < LOST_COUNT; i++)
		a->lost[i] += b->lost[i];
	for (int way = 0; way < PROFD_WAY_COUNT; way++)
		for (int end = 0; end < PROFD_END_COUNT; end++)
			a->stacks[way][end] += b->stacks[way][end];
}

void ledger_balance(struct ledger *out, const struct ledger_source *in)
{
	const struct profd_counters *p = &in->programs;
	uint64_t runs = p->filtered + p->taken;

	*out = (struct ledger){.filtered = p->filtered,
		.invisible = p->invisible,
		.spent = p->spent,
		.written = in->written};
	/* A run that came between reading the counts and reading the counters, or a timer that runs
	 * by another clock's rate than the count: what ran, ticked. */
	out->ticks = in->ticks > runs ? in->ticks : runs;
	uint64_t missing = out->ticks - runs;
	out->idle = in->idle < missing ? in->idle : missing;
	out->taken = out->ticks - out->idle - out->filtered;

	for (int i = 0; i < LOST_COUNT; i++)
		out->lost[i] = in->lost[i];
	out->lost[LOST_CLOCK] += missing - out->idle;
	out->lost[LOST_SCRATCH] += p->lost_scratch;
	out->lost[LOST_RING] += p->lost_ring;
	memcpy(out->stacks, in->stacks, sizeof(out->stacks));

	uint64_t settled = out->written;
	for (int i = 0; i < LOST_COUNT; i++)
		settled += out->lost[i];
	out->pending = out->taken - settled;
}
