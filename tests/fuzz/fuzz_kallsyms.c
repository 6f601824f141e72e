// SPDX-License-Identifier: MIT
/* /proc/kallsyms comes from the kernel, but a container may put something else in its place. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolizer/kallsyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t addresses[] = {0, 1, 0x1000, 0xffffffff81000000, 0xffffffff81000010,
		0xffffffffc0000000, UINT64_MAX};
	size_t n = sizeof(addresses) / sizeof(*addresses);
	struct kallsyms_text text = {0};
	struct names answer;
	int fd = memfd_create("kallsyms", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (!names_init(&answer, addresses, n))
		kallsyms_resolve(&answer, fd, addresses, n, &text);
	names_free(&answer);
	if (text.end && text.begin >= text.end)
		abort();
	close(fd);
	return 0;
}
