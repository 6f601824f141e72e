/* SPDX-License-Identifier: MIT */
/*
 * sandbox.h - what the symbolizer may do once it runs: read, map and answer. It has no
 * capabilities, no other identity to use, no paths, no network, no executable memory, and a fixed
 * amount of private memory.
 */
#ifndef PROFD_SYMBOLIZER_SANDBOX_H
#define PROFD_SYMBOLIZER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* Exit code of a symbolizer that ran out of memory inside of a library. */
#define SYMBOLIZER_EXIT_MEMORY 12

/* Gives up everything else. memory_limit: bytes of private memory (RLIMIT_DATA). *seccomp: whether
 * the filter is in force; it is optional (kernels without it, sanitizer builds), the rest is not.
 * 0 or -errno with the step in `why`. */
int sandbox_enter(uint64_t memory_limit, bool *seccomp, const char **why);

#endif
