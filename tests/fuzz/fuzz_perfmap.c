// SPDX-License-Identifier: MIT
/* A perf-map is written by the process that is profiled. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolizer/perfmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t addresses[] = {
		0, 1, 0x10, 0x1000, 0x1001, 0x7f0000001000, UINT64_MAX};
	size_t n = sizeof(addresses) / sizeof(*addresses);
	struct names answer;
	int fd = memfd_create("perfmap", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (!names_init(&answer, addresses, n))
		perfmap_resolve(&answer, fd, addresses, n);
	names_free(&answer);
	close(fd);
	return 0;
}
