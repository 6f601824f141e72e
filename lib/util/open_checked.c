/* SPDX-License-Identifier: MIT */
#include "util/open_checked.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

int open_path_below(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};
	/* -EAGAIN: a rename or mount elsewhere raced with "..", and a later try may succeed
	 * (openat2(2)). */
	for (int attempt = 0; attempt < 3; attempt++) {
		long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return -errno;
}

int stat_regular(int path_fd, struct stat *st)
{
	if (fstat(path_fd, st) < 0)
		return -errno;
	return S_ISREG(st->st_mode) ? 0 : -EINVAL;
}

int open_regular(const char *path)
{
	struct stat st;
	_cleanup_close_ int found = open(path, O_PATH | O_CLOEXEC);
	int r = found < 0 ? -errno : stat_regular(found, &st);
	return r ? r : reopen_for_reading(found);
}

int reopen_for_reading(int path_fd)
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	int fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
