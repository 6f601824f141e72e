/* SPDX-License-Identifier: MIT */
/*
 * dwarf_split.h - split DWARF: the .dwo files in which the functions of units are whose lines and
 * addresses stayed in the program (DWARF 5, section 7.3.2; DWARF 4 with GNU's extension).
 */
#ifndef PROFD_SYMBOLIZER_DWARF_SPLIT_H
#define PROFD_SYMBOLIZER_DWARF_SPLIT_H

#include "symbolizer/debug_file.h"
#include "symbolizer/dwarf_package.h"
#include "symbolizer/dwarf_unit.h"
#include "symbolizer/dwarf_units.h"

struct split_file;

/* Zero-initialised, but for the arena, is empty. */
struct split_files {
	struct arena *arena; /* borrowed: for what is compressed, until split_files_free */
	struct split_file *first;
	struct dwarf_package package;
	bool has_asked; /* for the package */
	int error;	/* of files that are there, but cannot be read */
	size_t found, missed;
};

/* Lets the unit's functions be found in the package that belongs to the program, or else in its
 * .dwo file, where there is one that has its id; else it has none. The .dwo file is asked for by
 * the path that the compiler wrote it to, and by base name. 0; -ENOMEM: there was no room now,
 * which says nothing about the file; -EBADMSG, -ENOTSUP: it has none, and a file that could have
 * had it cannot be read. */
int split_files_place(struct split_files *s, struct dwarf_unit *u, const struct unit_entry *e,
	debug_want want, void *userdata);
/* Whether the package, if there is one, can be unpacked into the arena's file, of which `taken`
 * bytes are the program's own; without doing so. 1: it can; 0: it need not be; -ENOMEM. */
int split_files_look(const struct split_files *s, uint64_t taken, debug_want want, void *userdata);
/* Gives back what libdw took. */
void split_files_close(struct split_files *s);
/* No unit may use them any more. What is known of which files there are stays. */
void split_files_free(struct split_files *s);
/* That, too. */
void split_files_end(struct split_files *s);

#endif
