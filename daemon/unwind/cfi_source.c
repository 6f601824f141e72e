// SPDX-License-Identifier: MIT
#include "unwind/cfi_source.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "symbolizer/elf_file.h"
#include "unwind/cfi_header.h"

#define MAX_PROGRAM_HEADERS 256

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2
#endif

/* ---- segments ----------------------------------------------------------------------------- */

struct image {
	Elf *elf;
	const uint8_t *bytes; /* of the whole file */
	size_t size;
	size_t n_headers;
};

static bool segment(const struct image *image, size_t i, GElf_Phdr *ph)
{
	return gelf_getphdr(image->elf, (int)i, ph) && ph->p_offset <= image->size &&
	       ph->p_vaddr + ph->p_memsz >= ph->p_vaddr;
}

/* How many of a segment's bytes the file really has. */
static uint64_t bytes_in_file(const struct image *image, const GElf_Phdr *ph)
{
	uint64_t left = image->size - ph->p_offset;
	uint64_t size = ph->p_filesz < ph->p_memsz ? ph->p_filesz : ph->p_memsz;

	return size < left ? size : left;
}

static int compare_code(const void *a, const void *b)
{
	const struct cfi_code *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void remove_overlap(struct cfi_source *source)
{
	uint64_t end = 0;
	size_t n = 0;

	qsort(source->code, source->n_code, sizeof(*source->code), compare_code);
	for (size_t i = 0; i < source->n_code; i++) {
		struct cfi_code code = source->code[i];

		if (code.end <= end)
			continue;
		if (code.start < end) {
			code.bytes += end - code.start;
			code.start = end;
		}
		end = code.end;
		source->code[n++] = code;
	}
	source->n_code = n;
}

static void find_code(struct cfi_source *source, const struct image *image)
{
	GElf_Phdr ph;

	for (size_t i = 0; i < image->n_headers && source->n_code < CFI_MAX_CODE; i++) {
		uint64_t size;

		if (!segment(image, i, &ph) || ph.p_type != PT_LOAD || !(ph.p_flags & PF_X))
			continue;
		size = bytes_in_file(image, &ph);
		if (size)
			source->code[source->n_code++] = (struct cfi_code){
				ph.p_vaddr, ph.p_vaddr + size, image->bytes + ph.p_offset};
	}
	remove_overlap(source);
}

/* ---- .eh_frame ---------------------------------------------------------------------------- */

/* The bytes from an address to the end of its segment. */
static bool loaded_at(const struct image *image, uint64_t address, struct cfi_section *s)
{
	GElf_Phdr ph;

	for (size_t i = 0; i < image->n_headers; i++) {
		if (!segment(image, i, &ph) || ph.p_type != PT_LOAD || address < ph.p_vaddr ||
			address - ph.p_vaddr >= bytes_in_file(image, &ph))
			continue;
		uint64_t skip = address - ph.p_vaddr;

		s->bytes = image->bytes + ph.p_offset + skip;
		s->size = bytes_in_file(image, &ph) - skip;
		s->address = address;
		return true;
	}
	return false;
}

static bool section_bytes(
	const struct elf_file *file, const char *name, GElf_Shdr *sh, Elf_Data **data)
{
	Elf_Scn *section = elf_file_section(file, name);

	if (!section || !gelf_getshdr(section, sh) || sh->sh_type == SHT_NOBITS)
		return false;
	*data = elf_rawdata(section, NULL);
	return *data && (*data)->d_buf && (*data)->d_size;
}

/* As the program itself finds it when it throws an exception. Its end is not said: a terminator
 * marks it, or what cannot be an entry. A section of that address knows better. */
static bool find_by_header(
	struct cfi_source *source, const struct image *image, const struct elf_file *file)
{
	struct cfi_section *frames = &source->frames[0];
	struct cfi_header header;
	GElf_Phdr ph;
	GElf_Shdr sh;
	Elf_Data *data;
	size_t i = 0;

	while (i < image->n_headers && (!segment(image, i, &ph) || ph.p_type != PT_GNU_EH_FRAME))
		i++;
	if (i == image->n_headers)
		return false;
	source->header = (struct cfi_section){
		image->bytes + ph.p_offset, bytes_in_file(image, &ph), ph.p_vaddr, true};
	if (cfi_header_read(&source->header, &header) || !loaded_at(image, header.frames, frames))
		return false;
	frames->eh_frame = true;
	if (section_bytes(file, ".eh_frame", &sh, &data) && sh.sh_addr == frames->address &&
		data->d_size < frames->size)
		frames->size = data->d_size;
	return true;
}

static bool find_by_section(struct cfi_source *source, const struct elf_file *file)
{
	GElf_Shdr sh;
	Elf_Data *data;

	source->header = (struct cfi_section){0};
	if (!section_bytes(file, ".eh_frame", &sh, &data) || sh.sh_flags & SHF_COMPRESSED)
		return false;
	source->frames[0] = (struct cfi_section){data->d_buf, data->d_size, sh.sh_addr, true};
	return true;
}

/* ---- .debug_frame ------------------------------------------------------------------------- */

/* Before SHF_COMPRESSED there were names with a z, and this before zlib's data: ZLIB, and the size
 * in 8 bytes, big-endian. It is gone once the section was inflated. */
static bool inflate_old_section(Elf_Scn *section)
{
	static const char magic[] = {'Z', 'L', 'I', 'B'};
	Elf_Data *data = elf_rawdata(section, NULL);
	uint64_t size;

	if (!data || !data->d_buf || data->d_size < sizeof(magic) + sizeof(size))
		return false;
	if (memcmp(data->d_buf, magic, sizeof(magic)) != 0)
		return true;
	memcpy(&size, (const char *)data->d_buf + sizeof(magic), sizeof(size));
	return be64toh(size) <= CFI_MAX_INFLATED && elf_compress_gnu(section, 0, 0) >= 0;
}

/* What libelf before 0.189 has no way to inflate; the file keeps it. */
static bool inflate_zstd(struct elf_file *file, Elf_Scn *section, size_t size)
{
	const Elf_Data *data = elf_rawdata(section, NULL);
	const size_t head = sizeof(Elf64_Chdr);

	if (file->inflated)
		return true;
	if (!data || !data->d_buf || data->d_size < head)
		return false;
	file->inflated = malloc(size);
	file->inflated_size = size;
	if (file->inflated &&
		ZSTD_decompress(file->inflated, size, (const char *)data->d_buf + head,
			data->d_size - head) == size)
		return true;
	free(file->inflated);
	file->inflated = NULL;
	return false;
}

/* False: it is not there, too large, or broken. */
static bool debug_frame_bytes(struct elf_file *file, Elf_Scn *section, struct cfi_section *frames)
{
	const Elf_Data *data;
	GElf_Chdr packed;
	GElf_Shdr sh;

	if (!gelf_getshdr(section, &sh) || sh.sh_type == SHT_NOBITS)
		return false;
	if (sh.sh_flags & SHF_COMPRESSED) {
		if (!gelf_getchdr(section, &packed) || packed.ch_size > CFI_MAX_INFLATED)
			return false;
		if (packed.ch_type == ELFCOMPRESS_ZSTD) {
			bool good = inflate_zstd(file, section, packed.ch_size);
			*frames = (struct cfi_section){
				.bytes = file->inflated, .size = file->inflated_size};
			return good;
		}
		if (elf_compress(section, 0, 0) < 0)
			return false;
	}
	data = elf_rawdata(section, NULL);
	if (!data || !data->d_buf)
		return false;
	*frames = (struct cfi_section){.bytes = data->d_buf, .size = data->d_size};
	return true;
}

static void add_debug_frame(struct cfi_source *source, struct elf_file *file)
{
	Elf_Scn *section = elf_file_section(file, ".debug_frame");
	struct cfi_section frames;

	if (!section) {
		section = elf_file_section(file, ".zdebug_frame");
		if (!section || !inflate_old_section(section))
			return;
	}
	if (source->n_frames < CFI_MAX_FRAMES && debug_frame_bytes(file, section, &frames) &&
		frames.size)
		source->frames[source->n_frames++] = frames;
}

/* ------------------------------------------------------------------------------------------- */

static bool is_readable(const GElf_Ehdr *header)
{
	return header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB;
}

int cfi_source_read(struct cfi_source *source, struct elf_file *file)
{
	struct image image = {.elf = file->elf};
	GElf_Ehdr header;

	*source = (struct cfi_source){0};
	image.bytes = (const uint8_t *)elf_rawfile(file->elf, &image.size);
	if (!image.bytes || !gelf_getehdr(file->elf, &header) || !is_readable(&header))
		return -ENOEXEC;
	if (elf_getphdrnum(file->elf, &image.n_headers))
		image.n_headers = 0;
	if (image.n_headers > MAX_PROGRAM_HEADERS)
		image.n_headers = MAX_PROGRAM_HEADERS;
	source->machine = header.e_machine;
	source->entry = header.e_entry;
	find_code(source, &image);
	if (find_by_header(source, &image, file) || find_by_section(source, file))
		source->n_frames = 1;
	add_debug_frame(source, file);
	return 0;
}

void cfi_source_add_debug(struct cfi_source *source, struct elf_file *debug)
{
	GElf_Ehdr header;

	if (gelf_getehdr(debug->elf, &header) && is_readable(&header) &&
		header.e_machine == source->machine)
		add_debug_frame(source, debug);
}
