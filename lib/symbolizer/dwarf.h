/* SPDX-License-Identifier: MIT */
/*
 * dwarf.h - functions, inlined calls and lines of addresses, from DWARF 2 to 5.
 *
 * dwarf_getscopes() is not used: it finds no scopes in many LTO binaries and starts anew for
 * every address. Instead the addresses are sorted by unit (dwarf_units.h), each unit's tree is
 * walked once for all of its addresses (dwarf_scopes.h), and libdw's memory is given back whenever
 * it has grown too large.
 *
 * Not read: type units, split DWARF, and what dwz moved to another file. Addresses there keep the
 * names of the symbol table.
 */
#ifndef PROFD_SYMBOLIZER_DWARF_H
#define PROFD_SYMBOLIZER_DWARF_H

#include <libelf.h>

#include "symbolizer/names.h"

/* Names addresses[0..n-1] (ELF virtual addresses, sorted; asked[i] is the index in the answer).
 * symbols[i] is the raw name that the symbol table has for it, or NULL: it stands in where DWARF
 * has lines but no function's name. heap_limit: bytes of heap at which libdw's memory is given
 * back. 0, -EBADMSG when there is no usable DWARF, -ENOMEM. */
int dwarf_resolve(struct names *answer, Elf *elf, const uint64_t *addresses, const uint32_t *asked,
	const char *const *symbols, size_t n, size_t heap_limit);

#endif
