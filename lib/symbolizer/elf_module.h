/* SPDX-License-Identifier: MIT */
/*
 * elf_module.h - names for file offsets of ELF files, from the best that there is: its DWARF, that
 * of a separate debug file, symbol tables (also of the debug file and of .gnu_debugdata).
 *
 * The files that were asked about last stay open with what is known of them, so that asking again
 * costs little.
 */
#ifndef PROFD_SYMBOLIZER_ELF_MODULE_H
#define PROFD_SYMBOLIZER_ELF_MODULE_H

#include <stdbool.h>

#include "symbolizer/arena.h"
#include "symbolizer/debug_file.h"
#include "symbolizer/names.h"
#include "symbolizer/sources.h"
#include "util/file_identity.h"

struct elf_module_options {
	bool symbols_only; /* no DWARF, no other files */
	bool virtual;	   /* what is asked are ELF virtual addresses, not file offsets */
	struct file_identity identity; /* of the file */
	size_t heap_limit;	       /* bytes, see dwarf.h; also of all files together */
	debug_want want;
	/* A file to write to, as helper/scratch.h makes it, or -1; asked for once. The callee's. */
	int (*scratch)(void *userdata);
	void *userdata;
};

struct elf_module;

/* Zero-initialised is empty. */
struct elf_modules {
	struct elf_module *newest;
	struct scratch_file scratch; /* of all of them */
	bool has_asked;		     /* for that */
};

/* Fills in build-id, segments, and addresses and names of those that are not known yet. 0, or
 * -ENOEXEC (not ELF), -ENOMEM. What could be found before a failure is in the answer. The
 * descriptor can be closed afterwards. */
int elf_modules_resolve(struct elf_modules *all, struct names *answer, int fd,
	const uint64_t *offsets, size_t n, const struct elf_module_options *options);
/* The further files of the one that was asked about last, while it stays open. */
const struct sources *elf_modules_sources(const struct elf_modules *all);
/* Closes a file: it is to be looked at anew, with its further files. */
void elf_modules_forget(struct elf_modules *all, const struct file_identity *identity);
void elf_modules_free(struct elf_modules *all);

#endif
