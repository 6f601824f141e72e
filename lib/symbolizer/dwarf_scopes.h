/* SPDX-License-Identifier: MIT */
/*
 * dwarf_scopes.h - in one walk over a unit's tree: the functions and inlined calls around each
 * of its addresses.
 *
 * What the walk yields for an address is a chain of scopes from the outside in, each a place in
 * .debug_info with the line it was called from. An index on disk could yield the same.
 */
#ifndef PROFD_SYMBOLIZER_DWARF_SCOPES_H
#define PROFD_SYMBOLIZER_DWARF_SCOPES_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

struct scope {
	Dwarf_Off die;	    /* of the DW_TAG_subprogram or DW_TAG_inlined_subroutine */
	uint32_t parent;    /* index of the scope around it; 0: none, it is a function */
	uint32_t call_line; /* 0: unknown, or a function */
	uint32_t call_file; /* index into the unit's files */
};

struct scopes {
	struct scope *all; /* entry 0 is unused */
	size_t n, capacity;
	uint32_t *innermost; /* by address of the unit: index of a scope; 0: none */
	size_t n_addresses;
};

/* addresses: sorted. 0 or -ENOMEM, -E2BIG; scopes_free in any case. A tree that is broken or too
 * deep yields what was found before. */
int scopes_find(struct scopes *s, Dwarf_Die *unit, const uint64_t *addresses, size_t n);
void scopes_free(struct scopes *s);

#endif
