/* SPDX-License-Identifier: MIT */
/*
 * line_table.h - the line table of a unit (DWARF 2 to 5, section 6.2): rows sorted by address, and
 * the names of the files that they tell.
 *
 * libdw's own tables take five times the memory, join the name of each file of each unit, and mix
 * sequences of code that the linker dropped with those of code that is there.
 */
#ifndef PROFD_SYMBOLIZER_LINE_TABLE_H
#define PROFD_SYMBOLIZER_LINE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "symbolizer/dwarf_sections.h"

/* Up to the next row. */
struct line_row {
	uint32_t start; /* from the table's base */
	uint32_t line;	/* 0: none, or the end of a sequence */
	uint32_t file;	/* index into files */
};

/* Both lie in the sections, and are NULL where they are not told. */
struct line_file {
	const char *folder; /* NULL: where the compiler ran */
	const char *name;
};

struct line_table {
	uint64_t base;
	struct line_row *rows;
	size_t n_rows, rows_capacity;
	struct line_file *files; /* numbered as in DW_AT_call_file and DW_AT_decl_file */
	size_t n_files, files_capacity;
};

/* Reads the table at `offset` of .debug_line. 0, -EBADMSG (what was read before is there), -ENOMEM,
 * -E2BIG; line_table_free in any case. */
int line_table_read(struct line_table *t, const struct dwarf_sections *sections, uint64_t offset,
	uint8_t address_size);
void line_table_free(struct line_table *t);

#endif
