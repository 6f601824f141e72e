// SPDX-License-Identifier: MIT
#include "collector/ledger.h"

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
	for (int i = 0; i < LOST_COUNT; i++)
		a->lost[i] += b->lost[i];
	for (int i = 0; i < PROFD_END_COUNT; i++)
		a->end[i] += b->end[i];
}

void ledger_balance(struct ledger *out, const struct ledger_source *in)
{
	const struct profd_counters *p = &in->programs;
	uint64_t runs = p->filtered + p->taken;

	*out = (struct ledger){
		.filtered = p->filtered, .invisible = p->invisible, .written = in->written};
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
	for (int i = 0; i < PROFD_END_COUNT; i++)
		out->end[i] = p->end[i];

	uint64_t settled = out->written;
	for (int i = 0; i < LOST_COUNT; i++)
		settled += out->lost[i];
	out->pending = out->taken - settled;
}
