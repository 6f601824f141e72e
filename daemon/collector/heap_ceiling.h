/* SPDX-License-Identifier: MIT */
/*
 * heap_ceiling.h - how much of the time processes can be watched, so that it costs them no more
 * than a ceiling all together. Those that cost little are watched all the time; the others share
 * what is left, evenly.
 */
#ifndef PROFD_COLLECTOR_HEAP_CEILING_H
#define PROFD_COLLECTOR_HEAP_CEILING_H

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

#endif
