/* SPDX-License-Identifier: MIT */
/* dwarf_units.h - which compile unit is each address in? */
#ifndef PROFD_SYMBOLIZER_DWARF_UNITS_H
#define PROFD_SYMBOLIZER_DWARF_UNITS_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

/* Address number `address` lies in the unit whose DIE is at this offset of .debug_info. */
struct unit_address {
	Dwarf_Off unit;
	uint32_t address;
};

/* By .debug_aranges first; where that does not know an address, since compilers leave it out or
 * incomplete, by the ranges of all units that it does not mention. *out: sorted by (unit,
 * address), each address at most once; the caller's to free. 0 or -ENOMEM, -E2BIG. */
int dwarf_units_find(Dwarf *dwarf, const uint64_t *addresses, size_t n, struct unit_address **out,
	size_t *n_out);

#endif
