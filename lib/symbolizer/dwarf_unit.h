/* SPDX-License-Identifier: MIT */
/*
 * dwarf_unit.h - the index of one compile unit: its functions, the calls inlined into them, and its
 * lines, sorted by address. Built once; then an address costs some binary searches.
 *
 * Functions are found first; the calls inlined into one when somebody asks for an address in it.
 */
#ifndef PROFD_SYMBOLIZER_DWARF_UNIT_H
#define PROFD_SYMBOLIZER_DWARF_UNIT_H

#include "symbolizer/arena.h"
#include "symbolizer/die_ranges.h"
#include "symbolizer/dies.h"
#include "symbolizer/dwarf_source.h"
#include "symbolizer/line_table.h"
#include "symbolizer/spans.h"

/* An inlined call. */
struct unit_call {
	uint64_t die;	 /* what was inlined: its abstract instance if that is in this file */
	uint32_t parent; /* index of the call around it; 0: the function itself */
	uint32_t line;
	uint32_t file;	   /* index of unit.files */
	uint32_t function; /* its number, see dwarf_functions.h; 0: nobody has asked yet */
};

struct unit_function {
	uint64_t die;
	bool is_open;	   /* its calls are known */
	uint32_t function; /* as above */
	uint64_t base;
	const struct boundary *boundaries; /* their ids: index of a call */
	uint32_t n_boundaries, n_calls;
	struct unit_call *calls; /* entry 0 is unused */
};

/* It lies in an arena, with all that it points to. */
struct dwarf_unit {
	/* Where its functions are: in another file than the unit, if that is split. */
	struct dwarf_source *source;
	struct die_unit where;
	struct section_bytes addresses;
	struct range_lists lists;
	uint64_t base;
	const struct boundary *boundaries; /* their ids: index of a function, + 1 */
	size_t n_boundaries;
	struct unit_function *functions;
	size_t n_functions;
	uint64_t lines_base;
	const struct line_row *rows;
	size_t n_rows;
	const struct line_file *files;
	size_t n_files;
	bool types_hold_code; /* methods of types are within them, as in Rust, not beside them */
	bool is_thorough;     /* functions inside of functions are there too */
	bool lacks_functions; /* they are in another file, which is not there or */
	bool has_bad_file;    /* cannot be read */
};

/* What units are read with. */
struct unit_reader {
	struct arena *arena;
	struct dies dies;
	const struct dwarf_unit *open; /* what dies is open for */
	struct spans spans;	       /* kept for its memory */
};

/* Finds functions, with those inside of others if thorough. 0, -ENOMEM. What is broken yields what
 * was found before. */
int dwarf_unit_functions(struct dwarf_unit *u, struct unit_reader *reader, bool thorough);
/* Reads the line table at an offset of .debug_line. As above. */
int dwarf_unit_lines(struct dwarf_unit *u, struct unit_reader *reader,
	const struct dwarf_sections *sections, uint64_t offset);
/* Finds the calls inlined into a function. As above. */
int dwarf_unit_open(
	const struct dwarf_unit *u, struct unit_reader *reader, struct unit_function *f);

/* The function that holds the address, or NULL. */
struct unit_function *dwarf_unit_function(const struct dwarf_unit *u, uint64_t address);
/* The row that holds the address, or NULL; its line can be 0. */
const struct line_row *dwarf_unit_row(const struct dwarf_unit *u, uint64_t address);

#endif
