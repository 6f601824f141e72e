/* SPDX-License-Identifier: MIT */
/*
 * dwarf_source.h - one ELF file with DWARF: its sections, and libdw's view of it, which is opened
 * when it is needed and closed when it has taken too much memory (libdw keeps all that it ever
 * touched).
 */
#ifndef PROFD_SYMBOLIZER_DWARF_SOURCE_H
#define PROFD_SYMBOLIZER_DWARF_SOURCE_H

#include <elfutils/libdw.h>

#include "symbolizer/dwarf_sections.h"

struct dwarf_source {
	Elf *elf;	/* borrowed */
	Elf *alternate; /* the file to which dwz moved what several share, borrowed; or NULL */
	bool is_split;	/* a .dwo file */
	Dwarf *dwarf, *other; /* NULL: not open; other: of `alternate` */
	struct dwarf_sections sections;
};

/* Finds the sections. -EBADMSG: there is no DWARF, or it is big-endian. */
int dwarf_source_init(struct dwarf_source *s, Elf *elf, bool is_split);
/* Opens libdw's view; NULL if that cannot read it. Ends the process if memory runs out within it.
 */
Dwarf *dwarf_source_open(struct dwarf_source *s);
void dwarf_source_close(struct dwarf_source *s);

#endif
