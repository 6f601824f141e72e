/* SPDX-License-Identifier: MIT */
/*
 * counts.h - what the BPF programs count on each CPU (struct profd_cpu), as sums over all of them,
 * and who has which of the counters that are lent: meters and places, told by their numbers.
 *
 * The programs count while this reads: each number for itself is whole. No function makes a system
 * call.
 */
#ifndef PROFD_COLLECTOR_COUNTS_H
#define PROFD_COLLECTOR_COUNTS_H

#include <stdint.h>

#include "profd/abi.h"

struct counts;

/* cpus: n_cpus of them, borrowed. 0 or -ENOMEM. */
int counts_new(struct counts **out, struct profd_cpu *cpus, unsigned n_cpus);
void counts_free(struct counts *c); /* NULL is fine */

/* A session's, by its slot, since counts_zero(). */
void counts_session(const struct counts *c, unsigned slot, struct profd_counters *sum);
/* Of a session of type heap: struct profd_heap_cpu.calls and .rets. */
uint64_t counts_heap_calls(const struct counts *c, unsigned slot);
uint64_t counts_heap_rets(const struct counts *c, unsigned slot);
/* To be called when a session takes a slot, before its events exist. */
void counts_zero(struct counts *c, unsigned slot);
/* Which allocations are sampled in sessions that begin from now on is the same on each CPU that
 * sees the same ones. 0: by chance, as without it. */
void counts_seed(struct counts *c, uint64_t seed);

/* A meter that nobody has, to be given back; 0: no more than `leave` are there for others. */
unsigned counts_take_meter(struct counts *c, unsigned leave);
void counts_give_meter(struct counts *c, unsigned meter); /* 0 is fine */
/* It counts on from what whoever had it before has left. */
uint64_t counts_meter(const struct counts *c, unsigned meter);

/* A place that nobody has, to be given back; 0: there is none. */
unsigned counts_take_place(struct counts *c);
void counts_give_place(struct counts *c, unsigned place); /* 0 is fine */
/* It counts on likewise. */
uint64_t counts_place(const struct counts *c, unsigned place);

#endif
