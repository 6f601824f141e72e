/* SPDX-License-Identifier: MIT */
/*
 * cfi_header.h - .eh_frame_hdr, which linkers put beside .eh_frame: where that is, and a table of
 * its FDEs sorted by address. Source: Linux Standard Base Core 5.0 section 10.6.2.
 */
#ifndef PROFD_UNWIND_CFI_HEADER_H
#define PROFD_UNWIND_CFI_HEADER_H

#include "unwind/cfi_section.h"

struct cfi_header {
	uint64_t address;     /* its own: the table's numbers count from it */
	uint64_t frames;      /* where .eh_frame begins */
	const uint8_t *table; /* pairs of 32-bit numbers: address, FDE; NULL if there is none */
	size_t count;
};

/* 0, or -EBADMSG: it does not even say where .eh_frame is. A table in another form than the one
 * that all linkers write counts as none. */
int cfi_header_read(const struct cfi_section *s, struct cfi_header *header);

/* Entry i (< count). */
uint64_t cfi_header_start(const struct cfi_header *header, size_t i);
uint64_t cfi_header_fde(const struct cfi_header *header, size_t i);

#endif
