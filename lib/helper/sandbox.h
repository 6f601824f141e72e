/* SPDX-License-Identifier: MIT */
/*
 * sandbox.h - what a helper that parses files may do once it runs: read, map and answer. It has no
 * capabilities, no other identity to use, no paths, no network, no executable memory, and a fixed
 * amount of private memory.
 */
#ifndef PROFD_HELPER_SANDBOX_H
#define PROFD_HELPER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* Exit code of a helper that ran out of memory inside of a library. */
#define SANDBOX_EXIT_MEMORY 12

struct sandbox_limits {
	uint64_t memory; /* bytes of private memory (RLIMIT_DATA) */
	/* Up to where it may write into files that it is sent (RLIMIT_FSIZE); 0: not at all. */
	uint64_t file_size;
};

/* Gives up everything else. *seccomp: whether the filter is in force; it is optional (kernels
 * without it, sanitizer builds), the rest is not. 0 or -errno with the step in `why`. */
int sandbox_enter(const struct sandbox_limits *limits, bool *seccomp, const char **why);

#endif
