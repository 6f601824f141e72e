// SPDX-License-Identifier: MIT
/* kernelwork SECONDS - has the kernel clear memory: nearly all of its time is spent in there. */
#include <fcntl.h>
#include <unistd.h>

#include "truth.h"

static char block[1 << 20];

NOINLINE void read_zeros(int fd, uint64_t end)
{
	while (wall_ns() < end)
		if (read(fd, block, sizeof(block)) < 0)
			return;
}

int main(int argc, char **argv)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 1;
	ready();
	read_zeros(fd, wall_ns() + (uint64_t)(argument(argc, argv, 1, 5) * 1e9));
	print_cpu();
	return 0;
}
