// SPDX-License-Identifier: MIT
#include "collector/counts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct counts {
	struct profd_cpu *cpus;
	unsigned n_cpus;
	bool meter_taken[PROFD_METERS]; /* 0: what has none counts there */
	unsigned n_meters;		/* that are taken */
	bool place_taken[PROFD_PLACES]; /* likewise */
	uint64_t seed;			/* 0: none */
};

int counts_new(struct counts **out, struct profd_cpu *cpus, unsigned n_cpus)
{
	struct counts *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->cpus = cpus;
	c->n_cpus = n_cpus;
	*out = c;
	return 0;
}

void counts_free(struct counts *c)
{
	free(c);
}

/* ---- of sessions --------------------------------------------------------------------------- */

/* Of a counter that each CPU has; given as the first one's. */
static uint64_t sum_over_cpus(const struct counts *c, const __u64 *first)
{
	const char *at = (const char *)first;
	uint64_t sum = 0;

	for (unsigned cpu = 0; cpu < c->n_cpus; cpu++, at += sizeof(*c->cpus))
		sum += __atomic_load_n((const __u64 *)(const void *)at, __ATOMIC_RELAXED);
	return sum;
}

void counts_session(const struct counts *c, unsigned slot, struct profd_counters *sum)
{
	const __u64 *from = (const __u64 *)&c->cpus->counters[slot];
	__u64 *to = (__u64 *)sum;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] = sum_over_cpus(c, &from[i]);
}

uint64_t counts_heap_calls(const struct counts *c, unsigned slot)
{
	return sum_over_cpus(c, &c->cpus->heap[slot].calls);
}

uint64_t counts_heap_rets(const struct counts *c, unsigned slot)
{
	return sum_over_cpus(c, &c->cpus->heap[slot].rets);
}

void counts_zero(struct counts *c, unsigned slot)
{
	for (unsigned cpu = 0; cpu < c->n_cpus; cpu++) {
		memset(&c->cpus[cpu].counters[slot], 0, sizeof(struct profd_counters));
		memset(&c->cpus[cpu].heap[slot], 0, sizeof(struct profd_heap_cpu));
		if (c->seed)
			c->cpus[cpu].random = c->seed + ((uint64_t)cpu << 32);
	}
}

void counts_seed(struct counts *c, uint64_t seed)
{
	c->seed = seed;
}

/* ---- what is lent -------------------------------------------------------------------------- */

/* The first that nobody has, but for 0; 0: there is none. */
static unsigned take(bool *taken, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		if (!taken[i]) {
			taken[i] = true;
			return i;
		}
	return 0;
}

unsigned counts_take_meter(struct counts *c, unsigned leave)
{
	unsigned meter = 0;

	if (c->n_meters + leave < PROFD_METERS - 1)
		meter = take(c->meter_taken, PROFD_METERS);
	c->n_meters += meter != 0;
	return meter;
}

void counts_give_meter(struct counts *c, unsigned meter)
{
	c->n_meters -= c->meter_taken[meter];
	c->meter_taken[meter] = false;
}

uint64_t counts_meter(const struct counts *c, unsigned meter)
{
	return sum_over_cpus(c, &c->cpus->meters[meter]);
}

unsigned counts_take_place(struct counts *c)
{
	return take(c->place_taken, PROFD_PLACES);
}

void counts_give_place(struct counts *c, unsigned place)
{
	c->place_taken[place] = false;
}

uint64_t counts_place(const struct counts *c, unsigned place)
{
	return sum_over_cpus(c, &c->cpus->places[place]);
}
