/* SPDX-License-Identifier: MIT */
/*
 * dwarf.h - functions, inlined calls and lines of addresses, from DWARF 2 to 5, through an index
 * that is built once for each unit that has asked addresses (dwarf_unit.h).
 *
 * dwarf_getscopes() is not used: it finds no scopes in many LTO binaries and starts anew for every
 * address. Addresses are sorted by unit, so that each unit is read in one go.
 *
 * Split DWARF is read from the .dwp or .dwo files that `want` gives. Not read: type units, which
 * hold no code.
 */
#ifndef PROFD_SYMBOLIZER_DWARF_H
#define PROFD_SYMBOLIZER_DWARF_H

#include <libelf.h>
#include <stdbool.h>

#include "symbolizer/arena.h"
#include "symbolizer/debug_file.h"
#include "symbolizer/names.h"

struct dwarf_index;

struct dwarf_index_options {
	Elf *elf;	/* with the DWARF, uncompressed; must live as long as the index */
	Elf *alternate; /* of dwz, likewise; or NULL */
	struct scratch_file *scratch; /* for the index, borrowed; NULL: it is on the heap */
	size_t heap_limit; /* bytes of heap beyond which libdw's memory is given back, and then
			      what is in the index */
	debug_want want;   /* for .dwp and .dwo files */
	void *userdata;
};

/* 0, -EBADMSG when there is no usable DWARF, -ENOMEM. */
int dwarf_index_new(struct dwarf_index **out, const struct dwarf_index_options *options);
void dwarf_index_free(struct dwarf_index *x);

/* What is asked, of n addresses each. */
struct dwarf_request {
	const uint64_t *addresses; /* ELF virtual ones, sorted */
	const uint32_t *asked;	   /* index in the answer */
	/* The raw name that the symbol table has, or NULL: it stands in where DWARF has lines but
	 * no function's name. */
	const char *const *symbols;
	size_t n;
	bool has_all_symbols; /* where no symbol is, no function is */
};

/* Whether split DWARF is there (of some units), and has room if it is compressed; `taken` as
 * split_files_look() has it. Adds SYMBOLIZER_LACKS_SPLIT and _BAD_SPLIT to the flags. 0 or -ENOMEM.
 */
int dwarf_index_look(struct dwarf_index *x, uint64_t taken, uint32_t *flags);
/* 0 or -ENOMEM; what was named before is in the answer. */
int dwarf_index_resolve(
	struct dwarf_index *x, struct names *answer, const struct dwarf_request *request);

#endif
