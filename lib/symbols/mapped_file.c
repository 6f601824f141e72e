// SPDX-License-Identifier: MIT
#include "symbols/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "util/cleanup.h"
#include "util/open_checked.h"

/* btrfs shows the device of the whole file system in maps and that of the subvolume in stat;
 * overlay shows in maps, depending on kernel and layers, the file below or its own. */
static bool devices_may_differ(int path_fd)
{
	struct statfs fs;
	if (fstatfs(path_fd, &fs) < 0)
		return false;
	return fs.f_type == BTRFS_SUPER_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

static bool is_it(int path_fd, const struct stat *st, const struct mapped_file *m)
{
	if (st->st_ino != m->inode)
		return false;
	return st->st_dev == makedev(m->major, m->minor) || devices_may_differ(path_fd);
}

/* Whether the process has that very mapping now. The numbers in maps are made like those of the
 * record, so this also holds where stat has others. */
static bool maps_confirm(const struct mapped_file *m)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/maps", m->pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f)
		return false;
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	while (getline(&line, &room, f) > 0) {
		uint64_t start, end, inode;
		unsigned int major, minor;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %*x %x:%x %" SCNu64, &start, &end,
			    &major, &minor, &inode) == 5 &&
			start == m->start && end == m->end)
			return major == m->major && minor == m->minor && inode == m->inode;
	}
	return false;
}

int mapped_file_reach(const struct mapped_file *m)
{
	char path[96];
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64, m->pid,
		m->start, m->end);
	int fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool mapped_file_is_known(int path_fd, const struct mapped_file *m)
{
	struct statx st;
	if (statx(path_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) < 0)
		return false;
	return st.stx_dev_major == m->major && st.stx_dev_minor == m->minor &&
	       st.stx_ino == m->inode;
}

/* The mapping may have become another one since it was recorded, so it is looked at after the file
 * was reached. */
int mapped_file_read(int path_fd, const struct mapped_file *m)
{
	struct stat st;
	int error = stat_regular(path_fd, &st);
	if (error)
		return error;
	if (!is_it(path_fd, &st, m) && !maps_confirm(m))
		return -ESTALE;
	return reopen_for_reading(path_fd);
}

int mapped_file_open(const struct mapped_file *m)
{
	_cleanup_close_ int fd = mapped_file_reach(m);
	return fd < 0 ? fd : mapped_file_read(fd, m);
}

int mapped_file_open_below(const struct mapped_file *m, int root, const char *path)
{
	struct stat st;
	_cleanup_close_ int fd = open_path_below(root, path, 0, 0);
	if (fd < 0)
		return fd;
	int error = stat_regular(fd, &st);
	if (error)
		return error;
	return is_it(fd, &st, m) ? reopen_for_reading(fd) : -ESTALE;
}
