/* SPDX-License-Identifier: MIT */
/*
 * open_checked.h - opening files whose paths somebody else chose. A file is first opened with
 * O_PATH, which has no side effect on devices and FIFOs and cannot block on them, then looked at,
 * and only then opened for reading.
 */
#ifndef PROFD_UTIL_OPEN_CHECKED_H
#define PROFD_UTIL_OPEN_CHECKED_H

#include <stdint.h>
#include <sys/stat.h>

/* An O_PATH descriptor of what a path leads to with `root` as the root folder: no symbolic link,
 * no ".." and no magic link gets out of it. `resolve` adds flags of openat2(2), `flags` of open.
 * The caller's to close; -ENOENT…: -errno. */
int open_path_below(int root, const char *path, uint64_t flags, uint64_t resolve);

/* What an O_PATH descriptor is; -EINVAL unless it is a regular file. 0 or -errno. */
int stat_regular(int path_fd, struct stat *st);

/* A descriptor for reading of the regular file that a path leads to, which somebody else may have
 * chosen: nothing else is opened (-EINVAL), devices begin to work when they are. The caller's to
 * close; or -errno. */
int open_regular(const char *path);

/* A descriptor for reading of the same file. The caller's to close; or -errno. */
int reopen_for_reading(int path_fd);

#endif
