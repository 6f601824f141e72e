/* SPDX-License-Identifier: MIT */
/*
 * cgroup.h - from a cgroup's path to the kernel's id of it (the inode number of its folder, which
 * is the kernfs node id that BPF sees: cgroups(7), fs/kernfs).
 */
#ifndef PROFD_CGROUP_H
#define PROFD_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Paths are those of /proc/PID/cgroup ("/system.slice/cron.service") or of the folder below
 * /sys/fs/cgroup. The unified hierarchy goes first; on a host that has v1 as well, where tasks
 * may sit in the root of v2, v1's memory controller is the other place.
 * 0; -ENOENT or -EINVAL with a line in `why` and what to do in `hint`. */
int cgroup_find(const char *path, uint64_t *id, bool *is_v1, char *why, size_t why_size, char *hint,
	size_t hint_size);

#endif
