/* SPDX-License-Identifier: MIT */
/*
 * cfi_index.h - the FDEs of a section by address: the linker's own table, if it is sorted and
 * stays within code and section, else one that is made by reading the whole section.
 *
 * An FDE covers no address from where the next one starts. That an entry of the linker's table
 * leads to an FDE that starts where the table says is seen only when it is read; whoever finds one
 * that does not calls cfi_index_scan and starts over.
 */
#ifndef PROFD_UNWIND_CFI_INDEX_H
#define PROFD_UNWIND_CFI_INDEX_H

#include "unwind/cfi_header.h"

/* FDEs of one section that a scan keeps: 32 MiB. The largest programs have a million. */
#define CFI_MAX_FDES (1U << 22)

struct cfi_place {
	uint32_t start; /* from `low` */
	uint32_t offset;
};

struct cfi_index {
	const struct cfi_section *section;
	struct cfi_header header; /* header.table: in use, unless places is */
	uint64_t low, high;	  /* code lies in [low, high), at most 4 GiB */
	struct cfi_place *places; /* owned, from a scan */
	size_t count, capacity;
	bool scanned;
};

/* header: NULL if there is none. Section and header's bytes must outlive the index. 0, -ENOMEM.
 * cfi_index_close in any case. */
int cfi_index_open(struct cfi_index *index, const struct cfi_section *section,
	const struct cfi_header *header, uint64_t low, uint64_t high);
void cfi_index_close(struct cfi_index *index);

/* Drops the linker's table for an own one. 0, -ENOMEM. */
int cfi_index_scan(struct cfi_index *index);

/* The first entry that can cover an address or one above it. */
size_t cfi_index_seek(const struct cfi_index *index, uint64_t address);
/* Where entry i starts; UINT64_MAX behind the last. */
uint64_t cfi_index_start(const struct cfi_index *index, size_t i);
/* Offset in the section of entry i's FDE. */
uint64_t cfi_index_offset(const struct cfi_index *index, size_t i);

#endif
