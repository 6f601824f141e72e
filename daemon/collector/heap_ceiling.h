/* SPDX-License-Identifier: MIT */
/*
 * heap_ceiling.h - how much of the time processes can be watched, so that it costs them no more
 * than a ceiling all together. Those that cost little are watched all the time; the others share
 * what is left, evenly. Who is watched a part of the time is seen without what it frees.
 */
#ifndef PROFD_COLLECTOR_HEAP_CEILING_H
#define PROFD_COLLECTOR_HEAP_CEILING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* loads: what each costs while it is watched, in CPUs (or any unit that the ceiling has, too); they
 * are sorted by this. Returns what one may cost: INFINITY if all together fit. */
double heap_ceiling_level(double *loads, size_t n, double ceiling);

/* Seconds to leave out, in whole ones, after one that was watched, for one that may cost `level`
 * and costs `load` while it is watched; by chance, so that the mean is right. random:
 * 0..UINT32_MAX, evenly. At most HEAP_CEILING_PAUSE. */
#define HEAP_CEILING_PAUSE 60
unsigned heap_ceiling_pause(double load, double level, uint32_t random);

/* What is left out of one process. Times: CLOCK_MONOTONIC, ns. */
struct heap_gap {
	uint64_t began; /* 0: there is none, or what comes now was told to stand for it */
	uint64_t ends;	/* since then it is about to be watched again; 0: it is not */
};

/* Before the last one was over: that goes on. */
void heap_gap_open(struct heap_gap *g, uint64_t now);
void heap_gap_close(struct heap_gap *g, uint64_t now);
/* It is watched again, from now until about `end`. Returns which share of the time that is, with
 * what was left out, in 2^-32; 0: nothing was, or not since it was told. */
uint32_t heap_gap_share(struct heap_gap *g, uint64_t now, uint64_t end);

/* When one that is watched a part of the time is seen wholly again: after so many calm ticks, and
 * after twice as many if that was too early the last time. All 0 in the beginning. */
#define HEAP_CALM_TICKS	    60
#define HEAP_CALM_TICKS_MAX 3600
struct heap_patience {
	unsigned wanted, calm;
	unsigned free; /* ticks since it was released */
};

void heap_patience_limited(struct heap_patience *p);
/* Of one that is seen wholly. */
void heap_patience_free(struct heap_patience *p);
/* Of one that is limited; calm: it would cost little enough without that. True: it is released. */
bool heap_patience_tick(struct heap_patience *p, bool calm);

#endif
