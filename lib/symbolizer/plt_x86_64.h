/* SPDX-License-Identifier: MIT */
/* plt_x86_64.h - the functions that stubs of the procedure linkage table jump to. They have no
 * symbols of their own. */
#ifndef PROFD_SYMBOLIZER_PLT_X86_64_H
#define PROFD_SYMBOLIZER_PLT_X86_64_H

#include "symbolizer/elf_file.h"

#define PLT_PARTS 3 /* .plt, .plt.sec, .plt.got */

struct plt {
	const struct elf_file *file; /* borrowed */
	struct plt_part {
		uint64_t address, size;
		const uint8_t *bytes;
		uint64_t stub; /* bytes of each */
	} parts[PLT_PARTS];
	size_t n;
	uint32_t looks; /* that are left, of what one file may cost */
};

/* Finds the stubs of a file; there are none if it is for another machine. To be opened anew for
 * each request: what it may cost is counted. */
void plt_open(struct plt *plt, const struct elf_file *f);
/* The dynamic symbol behind the stub at an address, raw; NULL if there is no stub. Lives as long as
 * the file. */
const char *plt_symbol(struct plt *plt, uint64_t address);
/* The same of the word that a stub, or a call without one (-fno-plt), jumps through. */
const char *plt_slot_symbol(struct plt *plt, uint64_t address);

#endif
