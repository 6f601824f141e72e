// SPDX-License-Identifier: MIT
#include "helper/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "util/cleanup.h"

#define LEAST	  (16ULL << 20) /* bytes, below which it is not worth the trouble */
#define PAGE_MASK 4095ULL

int scratch_open(const char *folder)
{
	_cleanup_close_ int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct statvfs disk;
	uint64_t size;

	if (fd < 0 || fstatvfs(fd, &disk))
		return -errno;
	size = (uint64_t)disk.f_bavail * disk.f_frsize / 2;
	if (size < LEAST)
		return -ENOSPC;
	size = size > SCRATCH_MAX ? SCRATCH_MAX : size & ~PAGE_MASK;
	if (ftruncate(fd, (off_t)size))
		return -errno;
	return take_fd(fd);
}
