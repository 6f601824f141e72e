/* SPDX-License-Identifier: MIT */
/*
 * cfi_section.h - the entries of .eh_frame and .debug_frame: common information (CIE) and frame
 * descriptions (FDE).
 *
 * Sources: DWARF 5 section 6.4.1 (.debug_frame, also versions 1 and 3 of it), Linux Standard Base
 * Core 5.0 section 10.6 (.eh_frame: identity and pointer of 4 bytes, relative; augmentations;
 * pointer encodings). Everything here is hostile input; nothing is copied.
 */
#ifndef PROFD_UNWIND_CFI_SECTION_H
#define PROFD_UNWIND_CFI_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/reader.h"

struct cfi_section {
	const uint8_t *bytes;
	size_t size;
	uint64_t address; /* where it is loaded; .debug_frame is not: 0 */
	bool eh_frame;	  /* its format, else .debug_frame's */
};

enum cfi_entry_kind { CFI_TERMINATOR, CFI_CIE, CFI_FDE };

struct cfi_entry {
	enum cfi_entry_kind kind;
	uint64_t next; /* offset of the entry behind it */
	uint64_t cie;  /* of an FDE: its CIE's offset, not checked */
	struct reader body;
};

struct cfi_cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_register;
	uint8_t encoding; /* of addresses in its FDEs */
	bool augmented;	  /* FDEs have augmentation data */
	bool signal;	  /* its FDEs describe signal frames */
	struct reader program;
};

struct cfi_fde {
	uint64_t start, end; /* addresses; start < end */
	struct reader program;
};

/* What is at an offset. A section's end is a CFI_TERMINATOR. 0, or -EBADMSG where the rest of the
 * section cannot be read. */
int cfi_entry_at(const struct cfi_section *s, uint64_t offset, struct cfi_entry *entry);
/* 0, or -EBADMSG: it is none, or none that can be understood whole. */
int cfi_cie_at(const struct cfi_section *s, uint64_t offset, struct cfi_cie *cie);
/* Reads an FDE, whose CIE the caller has read. 0, or -EBADMSG, also for an empty one. */
int cfi_fde_read(const struct cfi_section *s, const struct cfi_entry *entry,
	const struct cfi_cie *cie, struct cfi_fde *fde);

/* Reads an encoded pointer (DW_EH_PE_*) from a reader of the section's bytes. `data` is what
 * DW_EH_PE_datarel counts from, 0 if nothing. False: out of bytes, or an encoding that cannot
 * stand there. */
bool cfi_pointer(const struct cfi_section *s, struct reader *r, uint8_t encoding, uint64_t data,
	uint64_t *value);

#endif
