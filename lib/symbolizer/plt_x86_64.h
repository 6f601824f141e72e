/* SPDX-License-Identifier: MIT */
/* plt_x86_64.h - the functions that stubs of the procedure linkage table jump to. They have no
 * symbols of their own. */
#ifndef PROFD_SYMBOLIZER_PLT_X86_64_H
#define PROFD_SYMBOLIZER_PLT_X86_64_H

#include "symbolizer/elf_file.h"

/* The dynamic symbol behind the stub at an address, raw; NULL if there is no stub, or the file is
 * for another machine. Lives as long as the file. */
const char *plt_symbol(const struct elf_file *f, uint64_t address);
/* The same of the word that a stub, or a call without one (-fno-plt), jumps through. */
const char *plt_slot_symbol(const struct elf_file *f, uint64_t address);

#endif
