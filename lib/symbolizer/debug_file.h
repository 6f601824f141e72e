/* SPDX-License-Identifier: MIT */
/* debug_file.h - the separate debug file of an ELF file, by build-id or by its debug link. */
#ifndef PROFD_SYMBOLIZER_DEBUG_FILE_H
#define PROFD_SYMBOLIZER_DEBUG_FILE_H

#include "symbolizer/elf_file.h"

/* A descriptor of a debug file by build-id in hex or base name, or -1. The callee's then. */
typedef int (*debug_want)(void *userdata, const char *name);

/* Zero-initialised is none. */
struct debug_file {
	struct elf_file file; /* file.elf: NULL if none was found */
};

/* False if there is none that belongs to the file. debug_file_close in any case. */
bool debug_file_find(
	struct debug_file *debug, const struct elf_file *of, debug_want want, void *userdata);
/* The file to which dwz moved what `of` shares with others. As above. */
bool debug_file_alternate(
	struct debug_file *debug, const struct elf_file *of, debug_want want, void *userdata);
void debug_file_close(struct debug_file *debug);

/* The build-id in lowercase hex; "" if the file has none. */
void debug_file_build_id(const struct elf_file *f, char out[SYMBOLIZER_BUILD_ID]);

#endif
