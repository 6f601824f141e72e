/* SPDX-License-Identifier: MIT */
/* own_file.h - where what is in memory of this program is in its file. */
#ifndef PROFD_TEST_OWN_FILE_H
#define PROFD_TEST_OWN_FILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <link.h>

static inline int own_file_first(struct dl_phdr_info *info, size_t size, void *userdata)
{
	*(struct dl_phdr_info *)userdata = *info;
	return 1;
}

/* Where the program lies. */
static inline struct dl_phdr_info own_file(void)
{
	struct dl_phdr_info self;

	assert_int_equal(dl_iterate_phdr(own_file_first, &self), 1);
	return self;
}

/* The offset of an address of the program. */
static inline uint64_t own_file_offset(uintptr_t address)
{
	struct dl_phdr_info self = own_file();

	for (size_t i = 0; i < self.dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &self.dlpi_phdr[i];
		uintptr_t start = self.dlpi_addr + ph->p_vaddr;

		if (ph->p_type == PT_LOAD && address >= start && address - start < ph->p_filesz)
			return address - start + ph->p_offset;
	}
	fail_msg("not in this program");
	return 0;
}

#endif
