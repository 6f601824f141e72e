/* SPDX-License-Identifier: MIT */
/*
 * dwarf_functions.h - what DWARF says of functions, by the place of their entries: names and where
 * they begin. Each is read once, by libdw, which follows references to other units and files.
 */
#ifndef PROFD_SYMBOLIZER_DWARF_FUNCTIONS_H
#define PROFD_SYMBOLIZER_DWARF_FUNCTIONS_H

#include "symbolizer/arena.h"
#include "symbolizer/dwarf_source.h"
#include "symbolizer/names.h"
#include "util/intern.h"

struct dwarf_function {
	const struct dwarf_source *source;
	uint64_t die;
	/* The linkage name, and the one in the source; NULL: not told. They lie in the sections. */
	const char *raw, *plain;
	const char *name; /* readable, made of either; NULL: it has none */
	uint32_t start_line;
	uint32_t name_length, raw_length;
	/* In the answer of this number: see names.h. The function is that with this file. */
	uint64_t answer;
	uint32_t name_string, system_name_string, function, file_string;
};

/* Zero-initialised is empty. */
struct dwarf_functions {
	struct dwarf_function *all;
	size_t n, capacity;
	struct intern index; /* all + 1, by source and DIE */
};

void dwarf_functions_free(struct dwarf_functions *f);
/* The function at a DIE, or NULL: it cannot be read, or memory ran out. Valid up to the next call.
 * Readable names are kept in the arena. *number: 0 at first, then it spares the search. */
struct dwarf_function *dwarf_functions_get(struct dwarf_functions *f, struct arena *arena,
	struct dwarf_source *source, uint64_t die, uint32_t *number);
/* In which file a function is declared: of use where no line tells one. */
struct dwarf_declaration {
	uint64_t die;  /* that says so, or one that it leads to; UINT64_MAX: in another file */
	uint64_t file; /* number in that DIE's unit */
	Dwarf_Die at;  /* libdw's view of it */
};
bool dwarf_function_declaration(
	struct dwarf_source *source, uint64_t die, struct dwarf_declaration *out);
/* Its name and the compiler's folder, or NULL. libdw reads all lines of the unit for the name.
 * Valid until the source is closed. */
const char *dwarf_declaration_file(const struct dwarf_declaration *d);
const char *dwarf_declaration_folder(const struct dwarf_declaration *d);

#endif
