/* SPDX-License-Identifier: MIT */
/*
 * elf_module.h - names for file offsets of an ELF file, from the best that there is: its DWARF,
 * that of a separate debug file, symbol tables (also of the debug file and of .gnu_debugdata).
 */
#ifndef PROFD_SYMBOLIZER_ELF_MODULE_H
#define PROFD_SYMBOLIZER_ELF_MODULE_H

#include <stdbool.h>

#include "symbolizer/debug_file.h"
#include "symbolizer/names.h"

struct elf_module_options {
	bool symbols_only; /* no DWARF, no other files */
	bool virtual;	   /* what is asked are ELF virtual addresses, not file offsets */
	size_t heap_limit; /* bytes, see dwarf.h */
	debug_want want;
	void *userdata;
};

/* Fills in build-id, segments, addresses and names. 0, or -ENOEXEC (not ELF), -ENOMEM. What could
 * be found before a failure is in the answer. */
int elf_module_resolve(struct names *answer, int fd, const uint64_t *offsets, size_t n,
	const struct elf_module_options *options);

#endif
