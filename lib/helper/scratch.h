/* SPDX-License-Identifier: MIT */
/*
 * scratch.h - the file that a helper unpacks into: without a name, so that it goes with its last
 * user, and as large as it may ever become. A helper cannot make it larger: RLIMIT_FSIZE (see
 * sandbox.h) is far below. What is not written to takes no room on the disk.
 */
#ifndef PROFD_HELPER_SCRATCH_H
#define PROFD_HELPER_SCRATCH_H

/* In `folder`; at most SCRATCH_MAX, and half of what is free there. A descriptor, the caller's, or
 * -errno: -ENOSPC when hardly anything is free. */
#define SCRATCH_MAX (4ULL << 30) /* bytes: more than the debug information of any program takes */
int scratch_open(const char *folder);

#endif
