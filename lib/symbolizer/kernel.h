/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - names of kernel addresses. All of them are in kallsyms; lines and inlined calls of the
 * kernel proper, not of its modules, are in its debug file, where that lies in a debug folder, or
 * servers have it.
 */
#ifndef PROFD_SYMBOLIZER_KERNEL_H
#define PROFD_SYMBOLIZER_KERNEL_H

#include "symbolizer/elf_module.h"

/* kallsyms: the file of it; notes: the kernel's notes, which have its build-id (SYMBOLIZER_NOTES);
 * -1: it has none, so that there are no lines. Addresses are sorted. What is wrong with the debug
 * file costs no names. 0, -EPERM when addresses are hidden, -ENOMEM, or -errno. */
int kernel_resolve(struct elf_modules *modules, struct names *answer, int kallsyms, int notes,
	const uint64_t *addresses, size_t n, const struct elf_module_options *options);

#endif
