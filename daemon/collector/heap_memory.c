// SPDX-License-Identifier: MIT
/* Source: Documentation/mm/overcommit-accounting.rst. */
#include "collector/heap_memory.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "profd/abi.h"
#include "util/cleanup.h"

/* Whether the kernel promises memory that it does not have, however much. */
static bool promises_all(void)
{
	_cleanup_close_ int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
	char mode;

	return fd < 0 || read(fd, &mode, 1) != 1 || mode == '1';
}

uint64_t heap_memory_most(void)
{
	struct sysinfo info;

	if (promises_all() || sysinfo(&info) != 0)
		return PROFD_MAX_ALLOCATION;
	return ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;
}
