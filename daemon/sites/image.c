// SPDX-License-Identifier: MIT
/* Source: System V gABI (program headers, symbol tables). */
#include "sites/image.h"

#include <errno.h>
#include <gelf.h>

#define PAGE		    4096ULL
#define MAX_PROGRAM_HEADERS 256

int image_open(struct image *image, struct elf_file *file)
{
	*image = (struct image){.file = file};
	if (cfi_source_read(&image->source, file))
		return -ENOTSUP;
	image->arch = sites_arch_of(image->source.machine);
	if (!image->arch)
		return -ENOTSUP;
	return image->source.n_code ? 0 : -ENOEXEC;
}

/* ---- addresses ------------------------------------------------------------------------------ */

const uint8_t *image_code(const struct image *image, uint64_t address, size_t *size)
{
	for (size_t i = 0; i < image->source.n_code; i++) {
		const struct cfi_code *code = &image->source.code[i];

		if (address < code->start || address >= code->end)
			continue;
		*size = code->end - address;
		return code->bytes + (address - code->start);
	}
	return NULL;
}

bool image_code_offset(const struct image *image, uint64_t address, uint64_t *offset)
{
	size_t size;
	const uint8_t *start = (const uint8_t *)elf_rawfile(image->file->elf, &size);
	const uint8_t *code = image_code(image, address, &size);

	if (!start || !code)
		return false;
	*offset = (uint64_t)(code - start);
	return true;
}

bool image_data_offset(const struct image *image, uint64_t address, uint64_t *offset)
{
	size_t n = 0;

	if (elf_getphdrnum(image->file->elf, &n))
		return false;
	for (size_t i = 0; i < n && i < MAX_PROGRAM_HEADERS; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(image->file->elf, (int)i, &ph) || ph.p_type != PT_LOAD ||
			!(ph.p_flags & PF_W) || address < ph.p_vaddr ||
			address - ph.p_vaddr >= ph.p_memsz)
			continue;
		*offset = ph.p_offset + (address - ph.p_vaddr);
		return ph.p_filesz && *offset / PAGE <= (ph.p_offset + ph.p_filesz - 1) / PAGE;
	}
	return false;
}

/* ---- symbols -------------------------------------------------------------------------------- */

struct walk {
	Elf *elf;
	image_symbol each;
	void *userdata;
	size_t functions;
	bool over;
};

static void walk_table(struct walk *w, Elf_Scn *section, const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t n = data && sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
	GElf_Sym sym;

	for (size_t i = 1; i < n && i < INT32_MAX && !w->over; i++) {
		if (!gelf_getsym(data, (int)i, &sym))
			return;
		const char *name = sym.st_shndx == SHN_UNDEF
					   ? NULL
					   : elf_strptr(w->elf, sh->sh_link, sym.st_name);
		unsigned type = GELF_ST_TYPE(sym.st_info);

		w->functions += name && type == STT_FUNC;
		if (name && *name)
			w->over = !w->each(w->userdata, name, sym.st_value, sym.st_size, type,
				GELF_ST_BIND(sym.st_info));
	}
}

size_t image_symbols(const struct image *image, image_symbol each, void *userdata)
{
	static const GElf_Word types[] = {SHT_DYNSYM, SHT_SYMTAB};
	struct walk w = {image->file->elf, each, userdata, 0, false};
	GElf_Shdr sh;

	for (int i = 0; i < 2 && !w.over; i++) {
		Elf_Scn *section = NULL;

		while ((section = elf_nextscn(w.elf, section)) &&
			(!gelf_getshdr(section, &sh) || sh.sh_type != types[i]))
			;
		if (section)
			walk_table(&w, section, &sh);
	}
	return w.functions;
}
