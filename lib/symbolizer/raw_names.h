/* SPDX-License-Identifier: MIT */
/* raw_names.h - readable names for raw symbols that somebody has already: those of profiles. */
#ifndef PROFD_SYMBOLIZER_RAW_NAMES_H
#define PROFD_SYMBOLIZER_RAW_NAMES_H

#include "symbolizer/names.h"

/* The file holds texts that end with NUL, at most RAW_NAMES_MAX bytes; offsets are where some of
 * them begin. Each that can be demangled gets one function with its name; whole: with parameters,
 * as demangle_whole() makes it. 0 or -errno; -E2BIG for a larger file. */
#define RAW_NAMES_MAX (4u << 20)
int raw_names_resolve(struct names *answer, int fd, const uint64_t *offsets, size_t n, bool whole);

#endif
