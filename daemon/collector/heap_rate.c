// SPDX-License-Identifier: MIT
#include "collector/heap_rate.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uthash.h>

#include "collector/heap_ceiling.h"

#define NS_PER_SECOND 1e9
#define ALL	      4294967296.0
/* One in a million is always kept, so that it is seen when there are fewer again. */
#define LEAST_KEPT 4295.0
/* Processes that come and go within a second; of more it is not known who they were. */
#define MAX_PROCESSES 4096

struct process_rate {
	uint32_t pid;
	uint32_t keep; /* the share in force */
	double came;
	UT_hash_handle hh;
};

struct heap_rate {
	struct process_rate *processes; /* that announced something lately, or are held */
	uint32_t others;		/* the share of those that have none of their own */
};

struct heap_rate *heap_rate_new(void)
{
	struct heap_rate *r = calloc(1, sizeof(*r));

	if (r)
		r->others = UINT32_MAX;
	return r;
}

static void forget(struct heap_rate *r, struct process_rate *p)
{
	HASH_DEL(r->processes, p);
	free(p);
}

void heap_rate_free(struct heap_rate *r)
{
	struct process_rate *p, *next;

	if (!r)
		return;
	HASH_ITER (hh, r->processes, p, next)
		forget(r, p);
	free(r);
}

void heap_rate_came(struct heap_rate *r, uint32_t pid, uint32_t kept)
{
	struct process_rate *p;

	HASH_FIND(hh, r->processes, &pid, sizeof(pid), p);
	if (!p && HASH_COUNT(r->processes) < MAX_PROCESSES) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		p->pid = pid;
		p->keep = UINT32_MAX;
		HASH_ADD(hh, r->processes, pid, sizeof(p->pid), p);
	}
	if (p)
		p->came += kept == UINT32_MAX ? 1 : ALL / (kept ? kept : 1);
}

/* Down at once, since rings are finite; up by halves, since a pause is not the end of a storm. */
static uint32_t next_share(uint32_t keep, double allowed, double came)
{
	double fits = came > allowed ? ALL * allowed / came : ALL;

	fits = fmax(fmin(fits, 2.0 * keep), LEAST_KEPT);
	return fits >= UINT32_MAX ? UINT32_MAX : (uint32_t)fits;
}

/* What one process may announce: as much as any, if all together fit. */
static double find_level(struct heap_rate *r, double allowed)
{
	size_t n = 0;
	double *loads = calloc(HASH_COUNT(r->processes) + 1, sizeof(*loads)), level = 0;
	struct process_rate *p, *next;

	HASH_ITER (hh, r->processes, p, next)
		if (loads)
			loads[n++] = p->came;
	if (loads)
		level = heap_ceiling_level(loads, n, allowed);
	free(loads);
	return fmin(level, allowed * HEAP_RATE_PROCESS_MAX / HEAP_RATE_MAX);
}

/* What was lost on the way came from all of them alike, as far as is known. */
static void scale(struct heap_rate *r, double came)
{
	struct process_rate *p, *next;
	double sum = 0;

	HASH_ITER (hh, r->processes, p, next)
		sum += p->came;
	HASH_ITER (hh, r->processes, p, next)
		if (sum < came)
			p->came *= came / sum;
}

static int by_share(const struct process_rate *a, const struct process_rate *b)
{
	return (a->keep > b->keep) - (a->keep < b->keep);
}

/* Those that are held most have a share of their own, as far as there is room; that of the next
 * is everybody's. */
static void publish(struct heap_rate *r, struct profd_heap *heap)
{
	struct process_rate *p, *next;
	uint32_t others = r->others;
	size_t n = 0;

	HASH_SORT(r->processes, by_share);
	HASH_ITER (hh, r->processes, p, next) {
		uint64_t share = (uint64_t)p->pid << 32 | p->keep;

		if (p->keep == UINT32_MAX)
			forget(r, p);
		else if (n < PROFD_SHARES)
			__atomic_store_n(&heap->shares[n++], share, __ATOMIC_RELAXED);
		else if (p->keep < others)
			others = p->keep;
	}
	while (n < PROFD_SHARES)
		__atomic_store_n(&heap->shares[n++], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&heap->keep, others, __ATOMIC_RELAXED);
}

void heap_rate_hold(struct heap_rate *r, uint64_t came, uint64_t ns, struct profd_heap *heap)
{
	double allowed = HEAP_RATE_MAX * ((double)ns / NS_PER_SECOND), level;
	bool nobody = !r->processes;
	struct process_rate *p, *next;

	if (!ns)
		return;
	scale(r, (double)came);
	level = find_level(r, allowed);
	HASH_ITER (hh, r->processes, p, next) {
		p->keep = next_share(p->keep, level, p->came);
		p->came = 0;
	}
	r->others = next_share(r->others, allowed, nobody ? (double)came : 0);
	publish(r, heap);
}
