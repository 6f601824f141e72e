/* SPDX-License-Identifier: MIT */
/* dwarf_sections.h - the bytes of the sections that DWARF is read from. */
#ifndef PROFD_SYMBOLIZER_DWARF_SECTIONS_H
#define PROFD_SYMBOLIZER_DWARF_SECTIONS_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct section_bytes {
	const uint8_t *bytes; /* NULL: there is none */
	size_t size;
};

struct dwarf_sections {
	struct section_bytes info, abbrev, line, str, line_str, str_offsets, addr, ranges, rnglists;
};

/* `split`: those with names in .dwo. Compressed ones count as missing. They live as long as the
 * ELF file. */
void dwarf_sections_find(struct dwarf_sections *s, Elf *elf, bool split);

/* The text at an offset, or NULL: there is none, or it has no end. */
const char *section_text(const struct section_bytes *section, uint64_t offset);

#endif
