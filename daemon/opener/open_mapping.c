/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "opener/open_kinds.h"
#include "opener/places.h"
#include "symbols/mapped_file.h"
#include "util/cleanup.h"

/* A process may have unmapped it since, and mapped what hangs: then it is not to be laid to the
 * file system of the one that was recorded. */
static int open_by_map_file(const struct mapped_file *m, const struct opener_question *q)
{
	_cleanup_close_ int fd = mapped_file_reach(m);

	if (fd < 0)
		return fd;
	if (mapped_file_is_known(fd, m))
		opener_tell_place(q, place_of_device(m->major, m->minor));
	return mapped_file_read(fd, m);
}

static int open_by_path(struct roots *roots, const struct mapped_file *m,
	const struct opener_question *q, const char *path)
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
		uint64_t place = roots->kept[i].place;
		opener_tell_place(q, place_is_roots(place) ? q->place : place);
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
	int fd = root == -ENOENT || root == -ESRCH ? -ENOENT : open_by_map_file(&m, q);
	if (fd < 0) {
		int error = fd;
		opener_tell_place(q, q->place);
		fd = open_by_path(roots, &m, q, path);
		if (fd == -ENOENT && error == -ESTALE)
			fd = error;
	}
	if (fd >= 0 && !strncmp(path, "/memfd:", strlen("/memfd:")) && !is_elf(fd)) {
		close(fd);
		return -ENOEXEC;
	}
	return fd;
}
