/* SPDX-License-Identifier: MIT */
/*
 * dwarf_split.h - split DWARF: the .dwo files in which the functions of units are whose lines and
 * addresses stayed in the program (DWARF 5, section 7.3.2; DWARF 4 with GNU's extension).
 */
#ifndef PROFD_SYMBOLIZER_DWARF_SPLIT_H
#define PROFD_SYMBOLIZER_DWARF_SPLIT_H

#include "symbolizer/debug_file.h"
#include "symbolizer/dwarf_unit.h"
#include "symbolizer/dwarf_units.h"

struct split_file;

/* Zero-initialised is empty. */
struct split_files {
	struct split_file *first;
};

/* Lets the unit's functions be found in its .dwo file, if there is one that has its id; else it has
 * none. The file is asked for by base name. */
void split_files_place(struct split_files *s, struct dwarf_unit *u, const struct unit_entry *e,
	debug_want want, void *userdata);
/* Gives back what libdw took. */
void split_files_close(struct split_files *s);
/* No unit may use them any more. */
void split_files_free(struct split_files *s);

#endif
