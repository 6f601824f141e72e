/* SPDX-License-Identifier: MIT */
/* ledger.h - the arithmetic of a session's books (sessions.h), apart from where the numbers come
 * from. */
#ifndef PROFD_COLLECTOR_LEDGER_H
#define PROFD_COLLECTOR_LEDGER_H

#include "collector/sessions.h"

/* What was measured, from four places. */
struct ledger_source {
	uint64_t ticks; /* the events' counts divided by the period */
	uint64_t idle;	/* idle time divided by the period: not exact */
	struct profd_counters programs;
	uint64_t written, lost[LOST_COUNT]; /* by whoever handles records after the ring */
	uint64_t stacks[PROFD_WAY_COUNT][PROFD_END_COUNT];
};

/* Both equations hold exactly in *out. Required: written and lost[] name no more samples than
 * the programs took less their own losses. */
void ledger_balance(struct ledger *out, const struct ledger_source *in);

#endif
