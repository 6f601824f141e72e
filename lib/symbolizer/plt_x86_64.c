// SPDX-License-Identifier: MIT
/*
 * Sources: System V ABI, AMD64 supplement (section 5.2, PLT); the forms that linkers write are
 * those of unwind/stubs_x86_64.c: somewhere in a stub it jumps through a word of the GOT, or pushes
 * the number of its relocation.
 */
#include "symbolizer/plt_x86_64.h"

#include <gelf.h>
#include <string.h>

#include "util/reader.h"

#define STUB	   16
#define SHORT_STUB 8 /* in .plt.got */

static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};

/* Relocations that are looked at for one request: real files have some 10,000, each stub has one.
 */
#define MAX_LOOKS 50000000u

static bool is_x86_64(const struct elf_file *f)
{
	GElf_Ehdr header;

	return gelf_getehdr(f->elf, &header) && header.e_machine == EM_X86_64 &&
	       header.e_ident[EI_CLASS] == ELFCLASS64;
}

void plt_open(struct plt *plt, const struct elf_file *f)
{
	static const char *const names[PLT_PARTS] = {".plt", ".plt.sec", ".plt.got"};

	*plt = (struct plt){.file = f, .looks = MAX_LOOKS};
	if (!is_x86_64(f))
		return;
	for (size_t i = 0; i < PLT_PARTS; i++) {
		Elf_Scn *section = elf_file_section(f, names[i]);
		Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;
		GElf_Shdr sh;

		if (!data || !data->d_buf || !gelf_getshdr(section, &sh))
			continue;
		plt->parts[plt->n++] = (struct plt_part){
			.address = sh.sh_addr,
			.bytes = data->d_buf,
			.size = data->d_size,
			.stub = sh.sh_entsize == SHORT_STUB ? SHORT_STUB : STUB,
		};
	}
}

/* The code of the stub; *start: its address. */
static struct reader find_stub(const struct plt *plt, uint64_t address, uint64_t *start)
{
	for (size_t i = 0; i < plt->n; i++) {
		const struct plt_part *part = &plt->parts[i];
		struct reader r;

		if (address < part->address || address - part->address >= part->size)
			continue;
		uint64_t at = (address - part->address) / part->stub * part->stub;

		*start = part->address + at;
		r = reader_of(part->bytes, part->size);
		read_bytes(&r, at);
		if (reader_left(&r) > part->stub)
			r.end = r.at + part->stub;
		return r;
	}
	return (struct reader){0};
}

/* What a stub says: the word that it jumps through, or the number of its relocation. */
struct target {
	bool by_index;
	uint64_t slot, index;
};

static bool decode(struct reader r, uint64_t start, struct target *t)
{
	const uint8_t *first = r.at;
	uint8_t opcode;

	if (reader_left(&r) >= sizeof(endbr) && !memcmp(r.at, endbr, sizeof(endbr)))
		read_bytes(&r, sizeof(endbr));
	opcode = read_byte(&r);
	if (opcode == 0xf2) /* bnd */
		opcode = read_byte(&r);
	if (opcode == 0x68) {
		t->by_index = true;
		t->index = read_number(&r, 4);
	} else if (opcode == 0xff && read_byte(&r) == 0x25) {
		int64_t distance = read_signed(&r, 4);

		t->by_index = false;
		t->slot = start + (uint64_t)(r.at - first) + (uint64_t)distance;
	} else {
		return false;
	}
	return !r.failed;
}

static const char *symbol_name(
	const struct elf_file *f, const GElf_Shdr *relocations, uint64_t info)
{
	Elf_Scn *section = elf_getscn(f->elf, relocations->sh_link);
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
	GElf_Shdr sh;
	GElf_Sym sym;

	if (!data || !ELF64_R_SYM(info) || ELF64_R_SYM(info) > INT32_MAX ||
		!gelf_getshdr(section, &sh) || !gelf_getsym(data, (int)ELF64_R_SYM(info), &sym))
		return NULL;
	return elf_strptr(f->elf, sh.sh_link, sym.st_name);
}

/* Looks through one section of relocations. */
static const char *find_relocation(
	struct plt *plt, Elf_Scn *section, const GElf_Shdr *sh, const struct target *t)
{
	Elf_Data *data = elf_rawdata(section, NULL);
	struct reader r;

	if (!data || !data->d_buf)
		return NULL;
	r = reader_of(data->d_buf, data->d_size);
	if (t->by_index)
		read_bytes(&r, t->index * sizeof(Elf64_Rela));
	while (plt->looks && reader_left(&r) >= sizeof(Elf64_Rela)) {
		uint64_t place = read_number(&r, 8), info = read_number(&r, 8);

		plt->looks--;
		read_number(&r, 8);
		if (t->by_index || place == t->slot)
			return symbol_name(plt->file, sh, info);
	}
	return NULL;
}

static const char *find_symbol(struct plt *plt, const struct target *t)
{
	Elf *elf = plt->file->elf;
	Elf_Scn *section = NULL, *first = elf_file_section(plt->file, ".rela.plt");
	const char *name = NULL;
	GElf_Shdr sh;

	if (first && gelf_getshdr(first, &sh) && sh.sh_type == SHT_RELA)
		name = find_relocation(plt, first, &sh, t);
	while (!name && !t->by_index && plt->looks && (section = elf_nextscn(elf, section))) {
		plt->looks--;
		if (section != first && gelf_getshdr(section, &sh) && sh.sh_type == SHT_RELA)
			name = find_relocation(plt, section, &sh, t);
	}
	return name && *name ? name : NULL;
}

const char *plt_symbol(struct plt *plt, uint64_t address)
{
	struct target target = {0};
	uint64_t start = 0;
	struct reader stub = find_stub(plt, address, &start);

	return decode(stub, start, &target) ? find_symbol(plt, &target) : NULL;
}

const char *plt_slot_symbol(struct plt *plt, uint64_t address)
{
	return is_x86_64(plt->file) ? find_symbol(plt, &(struct target){.slot = address}) : NULL;
}
