/* SPDX-License-Identifier: MIT */
/*
 * label_units.h - the unit of each numeric label key: the first that a sample gives, else one that
 * is guessed from the key (google/pprof profile/profile.go, NumLabelUnits).
 */
#ifndef PROFD_REPORT_LABEL_UNITS_H
#define PROFD_REPORT_LABEL_UNITS_H

#include "profile/profile.h"

struct label_unit {
	uint32_t key, unit; /* strings of the profile */
};

struct label_units {
	struct label_unit *items;
	size_t n, capacity;
};

/* Further units of a key are logged and ignored. 0, -ENOMEM, -E2BIG. */
int label_units_find(struct label_units *u, struct profile *p);
/* "" for a key that has none. */
const char *label_units_get(const struct label_units *u, const struct profile *p, uint32_t key);
void label_units_free(struct label_units *u);

#endif
