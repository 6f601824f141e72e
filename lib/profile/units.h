/* SPDX-License-Identifier: MIT */
/* units.h - units that convert into each other: of memory, of time and of GCU, with the names that
 * google/pprof knows (internal/measurement/measurement.go). */
#ifndef PROFD_PROFILE_UNITS_H
#define PROFD_PROFILE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* Converts to another unit. `to` "auto" or "minimum" picks the largest unit in which the value is
 * at least 1. *unit is where the value now is: a constant, or `to`; "" if not worth printing. */
double units_scale(int64_t value, const char *from, const char *to, const char **unit);
/* Whether values can be converted from one unit to the other. */
bool units_convert(const char *a, const char *b);

#endif
