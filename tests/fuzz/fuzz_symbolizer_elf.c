// SPDX-License-Identifier: MIT
/*
 * An ELF file of a profiled process, with its DWARF. The offsets asked for spread over the file. In
 * the real symbolizer a crash in libelf or libdw costs one module's names; here it is found.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolizer/elf_module.h"
#include "symbols/debug_name.h"

#define OFFSETS	  64
#define MAX_WANTS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct file {
	int fd;
	unsigned wants;
};

/* The file is its own debug file, alternate file and .dwo file, some times. A name that the
 * collector would refuse has the symbolizer ended. */
static int want(void *userdata, const char *name)
{
	struct file *file = userdata;

	if (!debug_name_is_good(name))
		abort();
	return file->wants++ < MAX_WANTS ? dup(file->fd) : -1;
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
	struct file file = {.fd = memfd_create("elf", MFD_CLOEXEC)};
	struct elf_module_options options = {
		.virtual = size & 1,
		.heap_limit = 1 << 20,
		.want = want,
		.scratch = no_scratch,
		.userdata = &file,
	};

	if (file.fd < 0 || write(file.fd, data, size) != (ssize_t)size)
		abort();
	for (size_t i = 0; i < OFFSETS; i++)
		offsets[i] = i * (size / OFFSETS + 1);
	if (!names_init(&answer, offsets, OFFSETS))
		elf_modules_resolve(&modules, &answer, file.fd, offsets, OFFSETS, &options);
	elf_modules_free(&modules);
	names_free(&answer);
	close(file.fd);
	return 0;
}
