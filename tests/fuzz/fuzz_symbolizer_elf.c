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

static int no_scratch(void *userdata)
{
	return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t offsets[OFFSETS];
	struct elf_modules modules = {0};
	struct names answer;
	int fd = memfd_create("elf", MFD_CLOEXEC);
	int again = fd < 0 ? -1 : dup(fd);
	struct elf_module_options options = {
		.heap_limit = 1 << 20,
		.want = want,
		.scratch = no_scratch,
		.userdata = &again,
	};

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	for (size_t i = 0; i < OFFSETS; i++)
		offsets[i] = i * (size / OFFSETS + 1);
	if (!names_init(&answer, offsets, OFFSETS))
		elf_modules_resolve(&modules, &answer, fd, offsets, OFFSETS, &options);
	elf_modules_free(&modules);
	names_free(&answer);
	close(fd);
	if (again >= 0)
		close(again);
	return 0;
}
