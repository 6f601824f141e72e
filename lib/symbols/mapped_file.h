/* SPDX-License-Identifier: MIT */
/*
 * mapped_file.h - the file behind a mapping of a process, which may have another root than ours:
 * its path may lead to another file here, or to none.
 *
 * Sources: proc_pid_map_files(5), proc_pid_maps(5).
 */
#ifndef PROFD_SYMBOLS_MAPPED_FILE_H
#define PROFD_SYMBOLS_MAPPED_FILE_H

#include <stdbool.h>
#include <stdint.h>

/* As a line of maps, or a record of the kernel, has it. */
struct mapped_file {
	uint32_t pid;
	uint32_t major, minor;
	uint64_t start, end, inode;
};

/* Opens it through /proc/PID/map_files, for which CAP_CHECKPOINT_RESTORE is needed: also one that
 * was deleted. A descriptor for reading, the caller's, or -errno: -ESTALE for another file than it
 * should be, -EINVAL for what is no regular file. */
int mapped_file_open(const struct mapped_file *m);

/* The steps of it, for who must know at which it hangs. What is mapped there now, as an O_PATH
 * descriptor, the caller's, or -errno: no server is asked. Whether that is the right one for sure,
 * by what the kernel knows without asking a server: then only its own file system is waited for.
 * And opening it, path_fd, as above. */
int mapped_file_reach(const struct mapped_file *m);
bool mapped_file_is_known(int path_fd, const struct mapped_file *m);
int mapped_file_read(int path_fd, const struct mapped_file *m);

/* Opens it by a path, with `root` as the root folder, which no link leaves. As above. */
int mapped_file_open_below(const struct mapped_file *m, int root, const char *path);

#endif
