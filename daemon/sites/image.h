/* SPDX-License-Identifier: MIT */
/* image.h - an ELF file as the finder of heap sites sees it: addresses, bytes, symbols. */
#ifndef PROFD_SITES_IMAGE_H
#define PROFD_SITES_IMAGE_H

#include "sites/arch.h"
#include "symbolizer/elf_file.h"
#include "unwind/cfi_source.h"

struct image {
	const struct elf_file *file; /* borrowed */
	const struct sites_arch *arch;
	struct cfi_source source; /* its code */
};

/* 0 or -errno, as sites_find. */
int image_open(struct image *image, struct elf_file *file);

/* The code from an address to the end of its segment; NULL: there is none. */
const uint8_t *image_code(const struct image *image, uint64_t address, size_t *size);
/* Its file offset; false: it is not in code. */
bool image_code_offset(const struct image *image, uint64_t address, uint64_t *offset);
/* That of data that programs may write. Also what lies behind a segment's end in its last page is
 * mapped from the file. */
bool image_data_offset(const struct image *image, uint64_t address, uint64_t *offset);

/* Looks at the defined symbols of .dynsym, then at those of .symtab. Returns how many of them are
 * functions. `each` returns false where that was enough. */
typedef bool (*image_symbol)(void *userdata, const char *name, uint64_t address, uint64_t size,
	unsigned type, unsigned binding);
size_t image_symbols(const struct image *image, image_symbol each, void *userdata);

#endif
