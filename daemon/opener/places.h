/* SPDX-License-Identifier: MIT */
/*
 * places.h - what a request can hang on, as one number: equal ones hang together. Whoever makes the
 * opener hang must not be able to choose a number that is somebody else's, nor to get many of them.
 *
 * Sources: ioctl_nsfs(2), user_namespaces(7), proc_pid_status(5).
 */
#ifndef PROFD_OPENER_PLACES_H
#define PROFD_OPENER_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#define PLACE_KIND_SHIFT 56
#define PLACE_GONE	 (1ULL << PLACE_KIND_SHIFT) /* files of processes that have ended */
#define PLACE_FOLDERS	 (2ULL << PLACE_KIND_SHIFT) /* the host's own folders of debug files */

/* A file system, by the device that the kernel shows of it. */
uint64_t place_of_device(uint32_t major, uint32_t minor);

/* What a process may have arranged below its root: that of the user who owns it. Whoever makes user
 * namespaces, and has many users in them, is one: it is the owner of the outermost below ours that
 * counts; where that is root, as for containers, it is that namespace. Root's processes in our own
 * are told apart by mount namespace. PLACE_GONE if it has ended. Waits for no file system. */
uint64_t place_of_process(uint32_t pid);

/* Whether a place_of_process() is that of a process of root's, in our user namespace. */
bool place_is_roots(uint64_t place);

#endif
