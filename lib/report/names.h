/* SPDX-License-Identifier: MIT */
/* names.h - how google/pprof shows functions and files. */
#ifndef PROFD_REPORT_NAMES_H
#define PROFD_REPORT_NAMES_H

#include <stddef.h>

/* The name that reports show for a function. A name that differs from the system name was demangled
 * by whoever wrote the file and stays; else parameters and template arguments of what looks like
 * C++ are cut (internal/symbolizer/symbolizer.go, Demangle). Returns `name`, or `buffer` of at
 * least strlen(system_name) + 1 bytes. */
const char *shown_name(const char *name, const char *system_name, char *buffer);

/* The last element of a path, as Go's filepath.Base: "." for "". Returns its start. */
const char *base_name(const char *path, size_t *length);

/* A path without "//", "." and "..", as Go's filepath.Clean. Returns `buffer`, of at least
 * strlen(path) + 2 bytes. */
const char *clean_path(const char *path, char *buffer);

/* The part of a source path that is shown: behind a prefix of the list `trim`, or, where that is
 * empty, behind a directory named as the last one of a path in the list `search` is. Lists are
 * separated by colons. Returns its start (google/pprof internal/report/source.go, trimPath). */
const char *trim_path(const char *path, const char *trim, const char *search);

#endif
