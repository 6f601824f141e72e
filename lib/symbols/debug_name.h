/* SPDX-License-Identifier: MIT */
/*
 * debug_name.h - what a further file with debug information may be asked for by: names that come
 * from files of profiled processes, and that whoever has the files must not follow anywhere else.
 */
#ifndef PROFD_SYMBOLS_DEBUG_NAME_H
#define PROFD_SYMBOLS_DEBUG_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* A file's name without folder (a build-id in hex is one, too): not empty, no longer than
 * HELPER_MAX_WANT, without control characters. */
bool debug_name_is_base(const char *name);
/* Where a compiler wrote a .dwo file: absolute, without "..", otherwise as above. */
bool debug_name_is_split(const char *name);
/* Takes "x/..", "." and empty parts out of an absolute path, as compilers make them that are told
 * to write to ../obj. It does not look at the disk: behind a link it may be another path. */
void debug_name_fold(char *path);
/* Either of them. */
bool debug_name_is_good(const char *name);

/* The name that HELPER_PACKAGE stands for, for the file at `path`; other names as they are. False
 * if it does not fit, or there is no path. */
bool debug_name_resolve(char *out, size_t size, const char *name, const char *path);

#endif
