// SPDX-License-Identifier: MIT
#include "util/folder.h"

#include <fcntl.h>

#include "util/cleanup.h"

DIR *folder_open(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		close_fd(fd);
	return dir;
}
