/* SPDX-License-Identifier: MIT */
/*
 * cfi_source.h - what unwind tables are compiled from: code and CFI as mapped bytes, wherever they
 * come from, and the way from an ELF file to them.
 */
#ifndef PROFD_UNWIND_CFI_SOURCE_H
#define PROFD_UNWIND_CFI_SOURCE_H

#include "unwind/cfi_section.h"

struct elf_file;

/* Executable segments that are looked at: linkers make one or two, and the kernel's post-link
 * optimizers a few more. */
#define CFI_MAX_CODE 16
/* .eh_frame, the file's own .debug_frame, and that of its debug file. */
#define CFI_MAX_FRAMES 3
/* A compressed section is inflated only up to this size. */
#define CFI_MAX_INFLATED (32UL << 20)

struct cfi_code {
	uint64_t start, end;  /* addresses */
	const uint8_t *bytes; /* NULL: they are not there */
};

struct cfi_source {
	uint16_t machine;		    /* EM_* */
	uint64_t entry;			    /* address where the program begins; 0: nowhere */
	struct cfi_code code[CFI_MAX_CODE]; /* by address, without overlap */
	size_t n_code;
	struct cfi_section frames[CFI_MAX_FRAMES]; /* an earlier one prevails */
	size_t n_frames;
	struct cfi_section header; /* .eh_frame_hdr, of frames[0]; size 0: none */
};

/* Finds code and CFI in a 64-bit little-endian ELF file, by program headers alone where there are
 * no section headers. The bytes are the file's: it must stay open. 0; -ENOEXEC: not such a file.
 * Without any CFI n_frames is 0. */
int cfi_source_read(struct cfi_source *source, struct elf_file *file);
/* Adds the .debug_frame of a file's separate debug file, which must stay open too. */
void cfi_source_add_debug(struct cfi_source *source, struct elf_file *debug);

#endif
