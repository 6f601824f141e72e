/* SPDX-License-Identifier: MIT */
/*
 * dwarf_units.h - the compile units of a file: where each lies, what its own DIE says, and which of
 * them an address is in.
 */
#ifndef PROFD_SYMBOLIZER_DWARF_UNITS_H
#define PROFD_SYMBOLIZER_DWARF_UNITS_H

#include <elfutils/libdw.h>

#include "symbolizer/die_ranges.h"
#include "symbolizer/dies.h"
#include "symbolizer/dwarf_sections.h"
#include "symbolizer/spans.h"

/* What a unit's DIE says. Texts lie in the sections; NULL: not told. */
struct unit_attributes {
	const char *folder;	/* of the compiler */
	const char *split_name; /* of the .dwo file with the rest of it */
	uint64_t split_id;
	uint64_t lines; /* offset in .debug_line */
	uint64_t addr_base, range_base, str_offsets_base;
	struct die place; /* low: what ranges count from */
	bool has_lines;
	uint32_t language; /* DW_LANG_*; 0: not told */
};

struct dwarf_unit;

/* A unit that has code. */
struct unit_entry {
	struct die_unit where;
	struct unit_attributes is;
	struct dwarf_unit *index; /* NULL: nobody has asked yet */
};

struct dwarf_units {
	struct unit_entry *all;
	size_t n, capacity;
	struct boundary *boundaries; /* their ids: index of a unit, + 1 */
	size_t n_boundaries;
	uint64_t base;
};

/* Finds all units with code: by their own ranges; by .debug_aranges (in libdw's `dwarf`) those that
 * have none, or not all of them. Type units and partial units are left out. 0 or -ENOMEM, -E2BIG;
 * dwarf_units_free in any case. */
int dwarf_units_find(struct dwarf_units *u, const struct dwarf_sections *sections, Dwarf *dwarf);
void dwarf_units_free(struct dwarf_units *u);
/* The unit that holds the address, or NULL. */
struct unit_entry *dwarf_units_at(const struct dwarf_units *u, uint64_t address);

/* The header of the unit at `offset` of .debug_info, and the kind of unit (DW_UT_*). False if
 * there is none. */
bool unit_header(
	struct die_unit *unit, uint8_t *type, const struct section_bytes *info, uint64_t offset);
/* Opens the unit and reads its DIE; *tag: of that. 0 or an error of dies_open. */
int unit_open(struct unit_attributes *is, unsigned *tag, struct dies *dies,
	const struct die_unit *unit, const struct dwarf_sections *sections);
/* The part of .debug_addr and the lists of ranges that the unit reads. */
struct section_bytes unit_addresses(
	const struct unit_attributes *is, const struct dwarf_sections *sections);
struct range_lists unit_ranges(const struct die_unit *unit, const struct unit_attributes *is,
	const struct dwarf_sections *sections);

#endif
