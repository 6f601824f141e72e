// SPDX-License-Identifier: MIT
/* What a server of debug files sends. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbols/build_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("sent", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	int r = build_id_check(fd, "01020304");
	if (r && r != -ENOEXEC && r != -ENODATA && r != -ESTALE)
		abort();
	close(fd);
	return 0;
}
