/* SPDX-License-Identifier: MIT */
/*
 * compile.h - from a module's CFI to the blocks of its pages (profd/unwind_abi.h), each by itself:
 * the FDEs of one page are found in the linker's table, so one page of a large library costs
 * little, and a whole module no more memory than one page.
 *
 * Where several sections have CFI, an earlier one of the source prevails and the others fill its
 * gaps. Gaps in all of them are UNWIND_NONE, save padding between functions, which is never run
 * and takes no row, code that is known by its bytes (PLTs, the start files), and the entry point.
 * Of some code, the bytes even count more than its CFI (unwind/sure_x86_64.c, go_x86_64.c).
 */
#ifndef PROFD_UNWIND_COMPILE_H
#define PROFD_UNWIND_COMPILE_H

#include "profd/unwind_abi.h"
#include "unwind/cfi_source.h"

/* Instructions of CFI that are run for one page: a page of one-byte instructions with four of them
 * for each, and some hostility. What is beyond is UNWIND_UNKNOWN. */
#define COMPILE_BUDGET (1U << 19)

struct unwind_module;

/* The source's bytes must outlive the module, the struct need not. 0, -ENOMEM, -ENOTSUP (an
 * architecture without a file yet), -ENOEXEC (no code, or more than 4 GiB of it). */
int unwind_module_open(struct unwind_module **module, const struct cfi_source *source);
/* NULL is fine. */
void unwind_module_close(struct unwind_module *module);

/* Is it worth compiling? Without CFI, if some of its code is known that every Go program has, for
 * one. */
bool unwind_module_has_rules(const struct unwind_module *module);
/* The page of the first code at or above an address, by its first address; UINT64_MAX if there is
 * none. */
uint64_t unwind_module_page(const struct unwind_module *module, uint64_t address);
/* Compiles the page that begins at an address. Returns how many words its block has, or -ENOMEM. A
 * page without code has a block as well. */
int unwind_module_compile(
	struct unwind_module *module, uint64_t page, uint32_t words[UNWIND_PAGE_WORDS]);

#endif
