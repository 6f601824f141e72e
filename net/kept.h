/* SPDX-License-Identifier: MIT */
/*
 * kept.h - the debug files in the spool: as many as a limit allows, and the least recently used go
 * first. A file is used when it is read or fetched; where the file system notes no reading
 * (noatime), those that were fetched first go first.
 */
#ifndef PROFD_NET_KEPT_H
#define PROFD_NET_KEPT_H

#include <stdint.h>

struct kept {
	uint64_t files, bytes;
};

/* Counts the files, and removes some if they take more than `limit` bytes, but not the one of
 * `spare` (a build-id, or NULL). Removes what half transfers have left. 0 or -errno. */
int kept_tidy(int spool, uint64_t limit, const char *spare, struct kept *kept);

/* Removes marks (SPOOL_MISSING) that are older than `seconds`, and the oldest beyond `max`. */
int kept_forget_missing(int spool, uint64_t seconds, uint64_t max);

#endif
