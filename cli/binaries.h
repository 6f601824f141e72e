/* SPDX-License-Identifier: MIT */
/*
 * binaries.h - which files the mappings of a profile stand for where it was not recorded here: the
 * program that was named before the profile, as pprof's users type it, and those of
 * PPROF_BINARY_PATH (google/pprof, doc/README.md, "Symbolization").
 */
#ifndef PROFD_CLI_BINARIES_H
#define PROFD_CLI_BINARIES_H

#include <stdbool.h>

#include "profile/profile.h"

/* Whether it is an ELF file, by its first bytes. */
bool binaries_is_program(const char *path);
/* Whether an ELF file ends before its section headers, which come last in most: it was not copied
 * whole. Says so in `why`. */
bool binaries_is_cut_off(int fd, char *why, size_t why_size);
/* Gives the mappings the paths of such files. They are looked for below each folder of
 * PPROF_BINARY_PATH, ~/pprof/binaries without it, by build-id and by name; a build-id that the
 * profile names must be the file's. program: the main binary, whatever the profile calls it; NULL:
 * what the profile says. 0, -ENOMEM, -E2BIG. */
int binaries_locate(struct profile *p, const char *program);

#endif
