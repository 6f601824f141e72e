/* SPDX-License-Identifier: MIT */
/*
 * jitdump.h - names and lines of JIT code from a jitdump (linux tools/perf/Documentation/
 * jitdump-specification.txt): a record for each piece of code that was loaded or moved, with its
 * time, so that code which came to an address later does not lend it its name; before it, perhaps,
 * one with its lines (jitdump_lines.h).
 */
#ifndef PROFD_SYMBOLIZER_JITDUMP_H
#define PROFD_SYMBOLIZER_JITDUMP_H

#include <stdbool.h>

#include "symbolizer/names.h"

/* Whether the file begins as one. */
bool jitdump_is(int fd);

/* Names addresses (sorted, unique) by the code that was last there, up to `until` (CLOCK_MONOTONIC,
 * ns; 0, or a file with times of another clock: whenever). A file that ends amid a record, as while
 * it is written, or makes no sense from some place on, ends there. 0, -ENOEXEC: it is no jitdump of
 * this machine; -E2BIG for one that would take too long, -ENOMEM, or -errno: what was found till
 * then is in the answer. */
int jitdump_resolve(
	struct names *answer, int fd, const uint64_t *addresses, size_t n, uint64_t until);

#endif
