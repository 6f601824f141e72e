// SPDX-License-Identifier: MIT
/* A jitdump is written by the process that is profiled. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolizer/jitdump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void resolve(int fd, uint64_t until)
{
	static const uint64_t addresses[] = {
		0, 1, 0x10, 0x1000, 0x1001, 0x2000, 0x7f0000001000, UINT64_MAX};
	size_t n = sizeof(addresses) / sizeof(*addresses);
	struct names answer;

	if (!names_init(&answer, addresses, n))
		jitdump_resolve(&answer, fd, addresses, n, until);
	names_free(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("jitdump", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	resolve(fd, 0);
	resolve(fd, 150);
	close(fd);
	return 0;
}
