// SPDX-License-Identifier: MIT
/*
 * An ELF file of a profiled process, with its DWARF. The offsets asked for spread over the file. In
 * the real symbolizer a crash in libelf or libdw costs one module's names; here it is found.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolizer/elf_module.h"

#define OFFSETS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file is its own debug file, once. */
static int want(void *userdata, const char *name)
{
	int *fd = userdata, given = *fd;

	*fd = -1;
	return given;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t offsets[OFFSETS];
	struct names answer;
	int fd = memfd_create("elf", MFD_CLOEXEC);
	int again = fd < 0 ? -1 : dup(fd);
	struct elf_module_options options = {
		.virtual = size & 1,
		.heap_limit = 1 << 20,
		.want = want,
		.userdata = &again,
	};

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	for (size_t i = 0; i < OFFSETS; i++)
		offsets[i] = i * (size / OFFSETS + 1);
	if (!names_init(&answer, offsets, OFFSETS))
		elf_module_resolve(&answer, fd, offsets, OFFSETS, &options);
	names_free(&answer);
	close(fd);
	if (again >= 0)
		close(again);
	return 0;
}
