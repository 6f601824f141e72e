// SPDX-License-Identifier: MIT
/* A .dwp file that somebody else made: its index, and the parts of units that it leads to. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolizer/dwarf_package.h"
#include "symbolizer/dwarf_source.h"

#define MAX_UNITS 8
#define SCRATCH	  (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all of what is said to be there. */
static void touch(const struct section_bytes *section)
{
	volatile uint8_t sum = 0;

	for (size_t i = 0; section->bytes && i < section->size; i++)
		sum = (uint8_t)(sum + section->bytes[i]);
}

static void look_at_unit(const struct dwarf_package *p, uint64_t id)
{
	struct dwarf_member m;
	struct dwarf_source source;

	if (dwarf_package_member(p, id, &m))
		return;
	if (!dwarf_source_init(&source, m.elf, true)) {
		touch(&source.sections.info);
		touch(&source.sections.abbrev);
		touch(&source.sections.str);
		touch(&source.sections.str_offsets);
		touch(&source.sections.rnglists);
	}
	dwarf_member_close(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dwarf_package p;
	int fd = memfd_create("package", MFD_CLOEXEC);
	struct scratch_file scratch = {.fd = memfd_create("scratch", MFD_CLOEXEC), .size = SCRATCH};

	if (fd < 0 || scratch.fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (dwarf_package_open(&p, fd, &scratch)) {
		close(scratch.fd);
		return 0;
	}
	for (uint32_t slot = 0, units = 0; slot < p.n_slots && units < MAX_UNITS; slot++) {
		uint64_t id;

		memcpy(&id, p.index.bytes + 16 + 8ULL * slot, sizeof(id));
		if (!id)
			continue;
		look_at_unit(&p, id);
		units++;
	}
	look_at_unit(&p, 1);
	dwarf_package_close(&p);
	if (scratch.used)
		abort();
	close(scratch.fd);
	return 0;
}
