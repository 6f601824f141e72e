/* SPDX-License-Identifier: MIT */
/*
 * dies.h - a quick walk over the entries (DIEs) of one unit of .debug_info, in the order in which
 * they lie there. It decodes only what places functions and inlined calls; libdw, which takes ten
 * times as long for an entry, does the rest.
 *
 * Source: DWARF 5, sections 7.5.2 to 7.5.6 (units, abbreviations, forms), which hold for DWARF 2 to
 * 4 too, and the forms that GNU added. Little-endian files only.
 */
#ifndef PROFD_SYMBOLIZER_DIES_H
#define PROFD_SYMBOLIZER_DIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/reader.h"

struct die {
	uint64_t offset; /* in .debug_info */
	uint16_t tag;	 /* 0: the end of a list of siblings */
	bool has_children;
	bool has_ranges;     /* `ranges` says where its list of ranges is (die_ranges.h) */
	bool ranges_indexed; /* by index (DW_FORM_rnglistx), else by offset */
	uint64_t sibling;    /* offset of the next one behind its children; 0: not told */
	uint64_t low, high;  /* its one range; empty: none (low of a unit: its base) */
	uint64_t ranges;
	uint64_t origin; /* DW_AT_abstract_origin in this .debug_info; 0: none */
	uint32_t call_line, call_file;
};

/* Where a unit lies; as libdw tells (dwarf_next_unit). */
struct die_unit {
	uint64_t offset, first, end; /* in .debug_info: of the unit, its first DIE, and behind it */
	uint64_t abbreviations;	     /* offset in .debug_abbrev */
	uint64_t split_id;	     /* 0: it is not split, or its DIE says so */
	uint16_t version;
	uint8_t address_size, offset_size;
};

#define DIES_VARIABLE UINT32_MAX

struct die_attribute {
	uint16_t name, form;
	uint32_t size;	  /* of the value; DIES_VARIABLE: it varies */
	int64_t constant; /* of DW_FORM_implicit_const */
};

struct die_abbreviation {
	uint64_t code;
	uint32_t first, count; /* attributes */
	uint32_t size;	       /* of all values; DIES_VARIABLE: they vary */
	uint32_t sibling;      /* attribute DW_AT_sibling, counted from `first` */
	uint32_t sibling_at;   /* where its value is behind the code; DIES_VARIABLE: it varies */
	uint16_t tag;
	bool has_children;
	bool is_scope; /* its values matter, not only DW_AT_sibling */
};

/* Zero-initialised is empty. */
struct dies {
	const uint8_t *info; /* .debug_info */
	struct die_unit unit;
	struct reader at;
	const uint8_t *addresses; /* what indices count from: set by whoever knows, or NULL */
	size_t addresses_size;
	struct die_abbreviation *abbreviations; /* sorted by code */
	size_t n_abbreviations, abbreviations_capacity;
	struct die_attribute *attributes;
	size_t n_attributes, attributes_capacity;
};

/* Begins at the unit's own DIE, without addresses. info, abbrev: the whole sections, which must
 * live as long. 0, -EBADMSG, -ENOMEM, -E2BIG; dies_close in any case. It can be opened again for
 * another unit. */
int dies_open(struct dies *d, const uint8_t *info, const struct die_unit *unit,
	const uint8_t *abbrev, size_t abbrev_size);
void dies_close(struct dies *d);

/* Goes to a DIE of the unit. False if that is not in it. */
bool dies_seek(struct dies *d, uint64_t offset);
/* The next DIE, whosever child it is. False at the end, or where the unit is broken. */
bool dies_next(struct dies *d, struct die *die);
/* The value of an attribute: its first byte, and what it says if it is a number, offset or
 * reference. */
struct die_value {
	const uint8_t *at;
	bool is_number;
	uint64_t number;
};
typedef void (*die_take)(
	void *userdata, const struct die_attribute *attribute, const struct die_value *value);
/* Goes over the next DIE's attributes, in their order. Its tag, or 0: see dies_next. */
unsigned dies_attributes(struct dies *d, die_take take, void *userdata);
/* Goes to behind the DIE's children, which was the last one that was read. False as above. */
bool dies_skip_children(struct dies *d, const struct die *die);
/* Entry `index` of the unit's part of .debug_addr. */
bool dies_address(const struct dies *d, uint64_t index, uint64_t *address);

#endif
