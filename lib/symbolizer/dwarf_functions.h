/* SPDX-License-Identifier: MIT */
/*
 * dwarf_functions.h - what DWARF says of functions, by the place of their entries: names and where
 * they begin. Each is read once, by libdw, which follows references to other units and files. What
 * an inlined function is called, each unit says again: equal names are kept, and made readable,
 * once.
 */
#ifndef PROFD_SYMBOLIZER_DWARF_FUNCTIONS_H
#define PROFD_SYMBOLIZER_DWARF_FUNCTIONS_H

#include "symbolizer/arena.h"
#include "symbolizer/dwarf_source.h"
#include "symbolizer/names.h"
#include "util/intern.h"

/* A name; those of linkers lie in the sections, readable ones in the arena. */
struct dwarf_text {
	const char *text;
	uint64_t hash;	   /* hash_bytes of it */
	uint32_t length;   /* as much of it as is ever used */
	uint32_t readable; /* number of the text that it is read as; 0: nobody has asked yet */
	uint64_t answer;   /* in the answer of this number it is this string: see names.h */
	uint32_t string;
};

struct dwarf_function {
	const struct dwarf_source *source;
	uint64_t die;
	/* Numbers of texts: the linkage name, 0: not told; and the readable one, made of that or of
	 * the one in the source, 0: it has none. */
	uint32_t raw, name;
	uint32_t start_line;
	/* In the answer of this number: that with this file. */
	uint32_t function, file_string;
	uint64_t answer;
};

/* Zero-initialised is empty. Numbers are indices + 1. */
struct dwarf_functions {
	struct dwarf_function *all;
	size_t n, capacity;
	struct intern index; /* numbers, by source and DIE */
	struct dwarf_text *texts;
	size_t n_texts, texts_capacity;
	struct intern text_index; /* numbers, by the text */
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
