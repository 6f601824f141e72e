/* SPDX-License-Identifier: MIT */
/*
 * dwarf_package.h - .dwp files: the .dwo files of a whole program in one, found by an index (DWARF
 * 5, section 7.3.5; version 2 of GNU's extension to DWARF 4).
 *
 * A unit's part is given out as the .dwo file that it was: the package's own bytes behind another
 * table of sections, which is all that is copied. Of one that is compressed, those are in the
 * scratch file.
 */
#ifndef PROFD_SYMBOLIZER_DWARF_PACKAGE_H
#define PROFD_SYMBOLIZER_DWARF_PACKAGE_H

#include <stdbool.h>

#include "symbolizer/arena.h"
#include "symbolizer/dwarf_sections.h"
#include "symbolizer/elf_file.h"

struct dwarf_package {
	struct elf_file file; /* file.elf: NULL if it is not open */
	struct arena arena;   /* what was compressed */
	int fd;
	int bytes_fd;	   /* where its bytes are, borrowed: fd, or the scratch file */
	uint64_t bytes_at; /* from there on */
	size_t size;
	struct section_bytes index; /* .debug_cu_index */
	uint32_t version, n_columns, n_units, n_slots;
};

/* Takes the descriptor over. 0 or -errno, and the descriptor is closed: -EBADMSG, it is no package
 * that can be read; -ENOMEM, -ENOTSUP: nor can it be unpacked. scratch: where to; NULL: a
 * compressed one cannot be read. */
int dwarf_package_open(struct dwarf_package *p, int fd, struct scratch_file *scratch);
/* A zeroed struct is fine. */
void dwarf_package_close(struct dwarf_package *p);

struct dwarf_member {
	Elf *elf;
	void *image; /* mapped */
	size_t size;
};

/* The .dwo file with a unit's id. 0, -ENOENT, -EBADMSG, -ENOMEM. Not to be used once the
 * package is closed, but for dwarf_member_close. */
int dwarf_package_member(const struct dwarf_package *p, uint64_t id, struct dwarf_member *out);
void dwarf_member_close(struct dwarf_member *m);

#endif
