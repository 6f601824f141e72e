/* SPDX-License-Identifier: MIT */
/*
 * perfmap.h - names of JIT code from /tmp/perf-PID.map (linux tools/perf/Documentation/
 * jit-interface.txt): "START SIZE NAME" a line, both in hexadecimal. Runtimes append and re-use
 * addresses, so a later line wins over an earlier one.
 */
#ifndef PROFD_SYMBOLIZER_PERFMAP_H
#define PROFD_SYMBOLIZER_PERFMAP_H

#include "symbolizer/names.h"

/* Lines that make no sense are skipped. 0, -E2BIG for a map that would take too long, -ENOMEM, or
 * -errno. */
int perfmap_resolve(struct names *answer, int fd, const uint64_t *addresses, size_t n);

#endif
