/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "opener/open_kinds.h"
#include "symbols/mapped_file.h"

static int open_by_path(struct roots *roots, const struct mapped_file *m, const char *path)
{
	if (path[0] != '/')
		return -ENOENT;
	int root = roots_of_process(roots, m->pid);
	if (root >= 0)
		return mapped_file_open_below(m, root, path);
	int fd = mapped_file_open_below(m, roots->own, path);
	for (size_t i = 0; i < ROOTS_KEPT && fd < 0; i++) {
		if (roots->kept[i].fd < 0)
			continue;
		int found = mapped_file_open_below(m, roots->kept[i].fd, path);
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
	const struct mapped_file m = {
		.pid = q->pid,
		.major = q->major,
		.minor = q->minor,
		.start = q->start,
		.end = q->end,
		.inode = q->inode,
	};
	/* A process outside our mount namespace keeps its root known for those that follow it. */
	int root = roots_of_process(roots, q->pid);
	int fd = root == -ENOENT || root == -ESRCH ? -ENOENT : mapped_file_open(&m);
	if (fd < 0) {
		int error = fd;
		fd = open_by_path(roots, &m, path);
		if (fd == -ENOENT && error == -ESTALE)
			fd = error;
	}
	if (fd >= 0 && !strncmp(path, "/memfd:", strlen("/memfd:")) && !is_elf(fd)) {
		close(fd);
		return -ENOEXEC;
	}
	return fd;
}
