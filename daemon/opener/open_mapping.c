/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "opener/open_kinds.h"
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

static bool is_recorded_file(int path_fd, const struct stat *st, const struct opener_question *q)
{
	if (st->st_ino != q->inode)
		return false;
	return st->st_dev == makedev(q->major, q->minor) || devices_may_differ(path_fd);
}

/* Whether the process has that very mapping now. The numbers in maps are made like those of the
 * record, so this also holds where stat has others. */
static bool maps_confirm(const struct opener_question *q)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/maps", q->pid);
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
			start == q->start && end == q->end)
			return major == q->major && minor == q->minor && inode == q->inode;
	}
	return false;
}

/* Follows the magic link; the mapping may have become another one since it was recorded, so it is
 * looked at after the file was opened. */
static int open_map_file(const struct opener_question *q)
{
	char path[96];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64, q->pid,
		q->start, q->end);
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = stat_regular(fd, &st);
	if (error)
		return error;
	if (!is_recorded_file(fd, &st, q) && !maps_confirm(q))
		return -ESTALE;
	return reopen_for_reading(fd);
}

static int open_recorded_below(int root, const struct opener_question *q, const char *path)
{
	struct stat st;
	_cleanup_close_ int fd = open_path_below(root, path, 0, 0);
	if (fd < 0)
		return fd;
	int error = stat_regular(fd, &st);
	if (error)
		return error;
	return is_recorded_file(fd, &st, q) ? reopen_for_reading(fd) : -ESTALE;
}

static int open_by_path(struct roots *roots, const struct opener_question *q, const char *path)
{
	if (path[0] != '/')
		return -ENOENT;
	int root = roots_of_process(roots, q->pid);
	if (root >= 0)
		return open_recorded_below(root, q, path);
	int fd = open_recorded_below(roots->own, q, path);
	for (size_t i = 0; i < ROOTS_KEPT && fd < 0; i++) {
		if (roots->kept[i].fd < 0)
			continue;
		int found = open_recorded_below(roots->kept[i].fd, q, path);
		if (found >= 0)
			fd = found;
	}
	return fd;
}

static bool is_elf(int fd)
{
	char magic[4];
	return pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	       !memcmp(magic, "\177ELF", sizeof(magic));
}

int open_mapping(struct roots *roots, const struct opener_question *q, const char *path)
{
	/* A process outside our mount namespace keeps its root known for those that follow it. */
	int root = roots_of_process(roots, q->pid);
	int fd = root == -ENOENT || root == -ESRCH ? -ENOENT : open_map_file(q);
	if (fd < 0) {
		int error = fd;
		fd = open_by_path(roots, q, path);
		if (fd == -ENOENT && error == -ESTALE)
			fd = error;
	}
	if (fd >= 0 && !strncmp(path, "/memfd:", strlen("/memfd:")) && !is_elf(fd)) {
		close(fd);
		return -ENOEXEC;
	}
	return fd;
}
