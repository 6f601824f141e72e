/* SPDX-License-Identifier: MIT */
/*
 * sites.h - finds where heap probes go in an ELF file that somebody else made. What they are is
 * said in collector/heap_sites.h.
 */
#ifndef PROFD_SITES_SITES_H
#define PROFD_SITES_SITES_H

#include "sites/functions.h"

struct elf_file;

struct sites_found {
	uint32_t allocator; /* enum heap_allocator */
	uint32_t no_symbols, incomplete;
	uint32_t n_sites, n_probes, n_rets;
	struct heap_site sites[HEAP_MAX_SITES];
	struct heap_probe probes[HEAP_MAX_PROBES];
	uint64_t rets[HEAP_MAX_RETS];
};

/* 0; -ENOEXEC: it has no code; -ENOTSUP: of another architecture, size or byte order; -ENOMEM. */
int sites_find(struct elf_file *file, struct sites_found *out);

#endif
