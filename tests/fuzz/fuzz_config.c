// SPDX-License-Identifier: MIT
/* Settings: any bytes as a configuration file, through the same path as a real one. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static FILE *errors;
	char path[32];
	struct config config;

	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		errors = fopen("/dev/null", "w");
		if (fd < 0 || !errors)
			abort();
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size || config_init(&config))
		abort();
	int mistakes = config_load(&config, path, errors);
	/* What came through is within what the table promises, with or without mistakes. */
	if (mistakes < 0 || config.frequency < 1 || config.frequency > 1000 || config.window < 10 ||
		config.window > 3600 || config.store[0] != '/' || config.socket[0] != '/' ||
		config.cache[0] != '/' || config.symbolizer < 16 << 20)
		abort();
	config_free(&config);
	return 0;
}
