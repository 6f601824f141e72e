/* SPDX-License-Identifier: MIT */
/*
 * .gnu_debugdata: an ELF file with nothing but a symbol table, compressed by xz (GDB's manual,
 * "MiniDebugInfo").
 */
#include <errno.h>
#include <lzma.h>
#include <stdlib.h>

#include "symbolizer/elf_file.h"
#include "util/cleanup.h"

/* Fedora's largest are a few MiB; a bomb is stopped here. */
#define MAX_IMAGE   (24u << 20)
#define MAX_DECODER (16u << 20)
#define STEP	    (256u << 10)

/* Decompresses until the stream ends. *size: bytes of the image. */
static int decompress(lzma_stream *xz, uint8_t **image, size_t *size)
{
	for (lzma_ret r = LZMA_OK; r != LZMA_STREAM_END;) {
		if (*size == MAX_IMAGE)
			return -E2BIG;
		uint8_t *larger = realloc(*image, *size + STEP);

		if (!larger)
			return -ENOMEM;
		*image = larger;
		xz->next_out = larger + *size;
		xz->avail_out = STEP;
		r = lzma_code(xz, LZMA_FINISH);
		*size += STEP - xz->avail_out;
		if (r == LZMA_MEM_ERROR || r == LZMA_MEMLIMIT_ERROR)
			return -ENOMEM;
		if (r != LZMA_OK && r != LZMA_STREAM_END)
			return -EBADMSG;
		if (r == LZMA_OK && xz->avail_out)
			return -EBADMSG; /* the input ended first */
	}
	return 0;
}

int elf_file_open_debugdata(struct elf_file *f, const struct elf_file *of)
{
	Elf_Scn *section = elf_file_section(of, ".gnu_debugdata");
	Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;
	lzma_stream xz = LZMA_STREAM_INIT;
	_cleanup_free_ uint8_t *image = NULL;
	size_t size = 0;
	int r;

	*f = (struct elf_file){0};
	if (!data || !data->d_buf)
		return -ENOENT;
	if (lzma_stream_decoder(&xz, MAX_DECODER, 0) != LZMA_OK)
		return -ENOMEM;
	xz.next_in = data->d_buf;
	xz.avail_in = data->d_size;
	r = decompress(&xz, &image, &size);
	lzma_end(&xz);
	if (r)
		return r;
	f->image = take_ptr(image);
	f->elf = elf_memory(f->image, size);
	return f->elf && elf_kind(f->elf) == ELF_K_ELF ? 0 : -EBADMSG;
}
