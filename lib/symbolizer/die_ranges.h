/* SPDX-License-Identifier: MIT */
/*
 * die_ranges.h - the lists of address ranges of entries that are not in one piece: .debug_ranges
 * of DWARF 3 and 4 (DWARF 4, section 2.17.3), .debug_rnglists of DWARF 5 (sections 2.17.3 and
 * 7.28).
 */
#ifndef PROFD_SYMBOLIZER_DIE_RANGES_H
#define PROFD_SYMBOLIZER_DIE_RANGES_H

#include "symbolizer/dies.h"

/* What the lists of one unit are read with. */
struct range_lists {
	const uint8_t *section; /* .debug_ranges or .debug_rnglists; NULL: there is none */
	size_t size;
	uint64_t offsets; /* in the section: of what indices and offsets count from */
	uint64_t base;	  /* DW_AT_low_pc of the unit */
};

/* One walk over a DIE's ranges. */
struct die_ranges {
	const struct dies *dies;
	struct reader at;
	uint64_t base;
	uint64_t low, high; /* the only one */
	bool is_list;
	bool dropped;  /* what counts from the base is code that the linker dropped */
	unsigned left; /* entries that are still looked at */
};

void die_ranges_open(struct die_ranges *r, const struct dies *dies, const struct range_lists *lists,
	const struct die *die);
/* False at the end. Ranges can be empty, and those of code that the linker dropped begin at 0. */
bool die_ranges_next(struct die_ranges *r, uint64_t *low, uint64_t *high);

#endif
