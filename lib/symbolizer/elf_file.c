/* SPDX-License-Identifier: MIT */
#include "symbolizer/elf_file.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "symbols/debug_name.h"

#define PAGE_MASK 4095ULL
/* Program headers that are looked at: no linker makes more than a few dozen. */
#define MAX_PROGRAM_HEADERS 256

static bool note_is_build_id(const GElf_Nhdr *note, const char *name)
{
	return note->n_type == NT_GNU_BUILD_ID && note->n_namesz == sizeof("GNU") &&
	       !memcmp(name, "GNU", sizeof("GNU"));
}

/* Finds the build-id among notes. A build-id longer than 32 bytes is cut: all known ones are 16
 * or 20. */
static bool scan_notes(struct elf_file *f, Elf_Data *data)
{
	size_t offset = 0, name, desc;
	GElf_Nhdr note;

	while (data && (offset = gelf_getnote(data, offset, &note, &name, &desc)) > 0) {
		const char *bytes = data->d_buf;

		if (!note_is_build_id(&note, bytes + name) || !note.n_descsz)
			continue;
		f->build_id_size = note.n_descsz;
		if (f->build_id_size > sizeof(f->build_id))
			f->build_id_size = sizeof(f->build_id);
		memcpy(f->build_id, bytes + desc, f->build_id_size);
		return true;
	}
	return false;
}

static size_t program_headers(const struct elf_file *f)
{
	size_t n = 0;

	if (elf_getphdrnum(f->elf, &n))
		return 0;
	return n < MAX_PROGRAM_HEADERS ? n : MAX_PROGRAM_HEADERS;
}

static void find_build_id(struct elf_file *f)
{
	size_t n = program_headers(f);
	Elf_Scn *section = NULL;
	GElf_Phdr ph;
	GElf_Shdr sh;

	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(f->elf, (int)i, &ph) && ph.p_type == PT_NOTE &&
			scan_notes(
				f, elf_getdata_rawchunk(f->elf, (int64_t)ph.p_offset, ph.p_filesz,
					   ph.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR)))
			return;
	while ((section = elf_nextscn(f->elf, section)))
		if (gelf_getshdr(section, &sh) && sh.sh_type == SHT_NOTE &&
			scan_notes(f, elf_getdata(section, NULL)))
			return;
}

static int check_kind(struct elf_file *f)
{
	GElf_Ehdr header;

	if (!f->elf)
		return -ENOEXEC;
	if (elf_kind(f->elf) != ELF_K_ELF || !gelf_getehdr(f->elf, &header))
		return -ENOEXEC;
	find_build_id(f);
	return 0;
}

int elf_file_open(struct elf_file *f, int fd)
{
	*f = (struct elf_file){0};
	elf_version(EV_CURRENT);
	f->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	/* Whatever is read comes from the mapping. */
	elf_cntl(f->elf, ELF_C_FDDONE);
	return check_kind(f);
}

void elf_file_close(struct elf_file *f)
{
	elf_end(f->elf);
	free(f->image);
	free(f->inflated);
	*f = (struct elf_file){0};
}

Elf_Scn *elf_file_section(const struct elf_file *f, const char *name)
{
	Elf_Scn *section = NULL;
	size_t strings;
	GElf_Shdr sh;

	if (elf_getshdrstrndx(f->elf, &strings))
		return NULL;
	while ((section = elf_nextscn(f->elf, section))) {
		const char *have = gelf_getshdr(section, &sh)
					   ? elf_strptr(f->elf, strings, sh.sh_name)
					   : NULL;

		if (have && !strcmp(have, name))
			return section;
	}
	return NULL;
}

bool elf_file_has(const struct elf_file *f, const char *name)
{
	Elf_Scn *section = elf_file_section(f, name);
	GElf_Shdr sh;

	return section && gelf_getshdr(section, &sh) && sh.sh_type != SHT_NOBITS && sh.sh_size;
}

bool elf_file_has_dwarf(const struct elf_file *f)
{
	return elf_file_has(f, ".debug_info") || elf_file_has(f, ".zdebug_info");
}

/* ---- segments ----------------------------------------------------------------------------- */

void elf_file_segments(const struct elf_file *f, struct names *answer)
{
	size_t n = program_headers(f);
	GElf_Phdr ph;

	for (size_t i = 0; i < n && answer->n_segments < SYMBOLIZER_MAX_SEGMENT; i++)
		if (gelf_getphdr(f->elf, (int)i, &ph) && ph.p_type == PT_LOAD &&
			ph.p_flags & PF_X && ph.p_memsz <= UINT64_MAX - ph.p_vaddr &&
			ph.p_filesz <= UINT64_MAX - ph.p_offset)
			answer->segments[answer->n_segments++] = (struct symbolizer_segment){
				ph.p_vaddr, ph.p_offset, ph.p_filesz, ph.p_memsz};
}

/* How well a segment fits: a file offset can lie in the pages of two. */
static int fit(const GElf_Phdr *ph, uint64_t offset)
{
	uint64_t low = ph->p_offset & ~PAGE_MASK;
	uint64_t size = (ph->p_offset - low + ph->p_filesz + PAGE_MASK) & ~PAGE_MASK;
	int code = ph->p_flags & PF_X ? 2 : 0;

	if (offset >= ph->p_offset && offset - ph->p_offset < ph->p_filesz)
		return code ? 4 : 1;
	return code && offset >= low && offset - low < size ? 3 : 0;
}

void elf_file_vaddrs(const struct elf_file *f, const uint64_t *offsets, uint64_t *vaddrs, size_t n)
{
	size_t count = program_headers(f), n_loads = 0;
	GElf_Phdr loads[SYMBOLIZER_MAX_SEGMENT];

	for (size_t i = 0; i < count && n_loads < SYMBOLIZER_MAX_SEGMENT; i++)
		if (gelf_getphdr(f->elf, (int)i, &loads[n_loads]) &&
			loads[n_loads].p_type == PT_LOAD)
			n_loads++;
	for (size_t k = 0; k < n; k++) {
		int best = 0;

		vaddrs[k] = UINT64_MAX;
		for (size_t i = 0; i < n_loads; i++) {
			int quality = fit(&loads[i], offsets[k]);

			if (quality > best)
				vaddrs[k] = loads[i].p_vaddr + (offsets[k] - loads[i].p_offset);
			best = quality > best ? quality : best;
		}
	}
}

/* ---- symbols ------------------------------------------------------------------------------ */

/* Bounds of the executable sections, by section index; start == end for all others. */
struct code_section {
	uint64_t start, end;
};

static int code_sections(Elf *elf, struct code_section **out, size_t *n)
{
	Elf_Scn *section = NULL;
	GElf_Shdr sh;

	if (elf_getshdrnum(elf, n))
		return -ENOEXEC;
	*out = calloc(*n + 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	while ((section = elf_nextscn(elf, section))) {
		size_t i = elf_ndxscn(section);

		if (i < *n && gelf_getshdr(section, &sh) && sh.sh_flags & SHF_EXECINSTR &&
			sh.sh_addr + sh.sh_size > sh.sh_addr)
			(*out)[i] = (struct code_section){sh.sh_addr, sh.sh_addr + sh.sh_size};
	}
	return 0;
}

/* Mapping symbols ($x, $d) and local labels mark places, not functions. */
static bool is_name(const char *name)
{
	return name && *name && *name != '$' && strncmp(name, ".L", 2) != 0;
}

static enum symbol_binding binding_of(const GElf_Sym *sym)
{
	switch (GELF_ST_BIND(sym->st_info)) {
	case STB_LOCAL:
		return SYMBOL_LOCAL;
	case STB_WEAK:
		return SYMBOL_WEAK;
	default:
		return SYMBOL_GLOBAL;
	}
}

static int offer(struct nearest *search, const GElf_Sym *sym, const struct code_section *in,
	const char *name)
{
	struct nearest_symbol symbol = {
		.start = sym->st_value,
		.end = sym->st_value + sym->st_size,
		.limit = in->end,
		.tag = name,
		.is_area = GELF_ST_TYPE(sym->st_info) == STT_NOTYPE,
	};

	if (symbol.start < in->start || symbol.start >= in->end)
		return 0;
	if (symbol.end < symbol.start || symbol.end > in->end)
		symbol.end = in->end;
	symbol.rank = nearest_rank(binding_of(sym), name);
	return nearest_add(search, &symbol);
}

struct symbol_table {
	Elf *elf;
	Elf_Data *symbols, *extended; /* extended: SHT_SYMTAB_SHNDX or NULL */
	size_t strings;		      /* section index */
	size_t count;
};

static bool find_table(Elf *elf, GElf_Word type, struct symbol_table *table)
{
	Elf_Scn *section = NULL, *found = NULL;
	GElf_Shdr sh;

	*table = (struct symbol_table){.elf = elf};
	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &sh))
			continue;
		if (sh.sh_type == type && !found && sh.sh_entsize) {
			found = section;
			table->symbols = elf_getdata(section, NULL);
			table->strings = sh.sh_link;
			table->count = sh.sh_size / sh.sh_entsize;
		} else if (sh.sh_type == SHT_SYMTAB_SHNDX && found &&
			   sh.sh_link == elf_ndxscn(found)) {
			table->extended = elf_getdata(section, NULL);
		}
	}
	return table->symbols && table->count > 1;
}

static int add_table(const struct symbol_table *table, const struct code_section *sections,
	size_t n_sections, struct nearest *search, bool *has_locals)
{
	for (size_t i = 1; i < table->count && i < INT32_MAX; i++) {
		Elf32_Word extended = 0;
		GElf_Sym sym;
		int r = 0;

		if (!gelf_getsymshndx(table->symbols, table->extended, (int)i, &sym, &extended))
			continue;
		unsigned type = GELF_ST_TYPE(sym.st_info);

		*has_locals |= type == STT_FUNC && GELF_ST_BIND(sym.st_info) == STB_LOCAL;
		size_t index = sym.st_shndx == SHN_XINDEX ? extended : sym.st_shndx;

		if (index >= n_sections || !sections[index].end ||
			(type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE) ||
			nearest_index(search, sym.st_value) == search->n)
			continue;
		const char *name = elf_strptr(table->elf, table->strings, sym.st_name);

		if (is_name(name))
			r = offer(search, &sym, &sections[index], name);
		if (r)
			return r;
	}
	return 0;
}

int elf_file_symbols(const struct elf_file *f, struct nearest *search, bool *has_locals)
{
	struct symbol_table table;
	struct code_section *sections = NULL;
	size_t n_sections;
	int r = 0;

	if (!find_table(f->elf, SHT_SYMTAB, &table) && !find_table(f->elf, SHT_DYNSYM, &table))
		return 0;
	r = code_sections(f->elf, &sections, &n_sections);
	if (!r)
		r = add_table(&table, sections, n_sections, search, has_locals);
	free(sections);
	return r;
}

/* ---- separate debug files ------------------------------------------------------------------ */

const char *elf_file_debuglink(const struct elf_file *f, uint32_t *crc)
{
	Elf_Scn *section = elf_file_section(f, ".gnu_debuglink");
	Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;

	if (!data || !data->d_buf)
		return NULL;
	const char *name = data->d_buf;
	size_t length = strnlen(name, data->d_size);
	size_t at = (length + 4) & ~(size_t)3; /* behind the NUL, aligned */

	if (at + sizeof(*crc) > data->d_size || !debug_name_is_base(name))
		return NULL;
	memcpy(crc, (const char *)data->d_buf + at, sizeof(*crc));
	return name;
}

bool elf_file_alternate(const struct elf_file *f, const uint8_t **build_id, size_t *build_id_size,
	const char **name)
{
	Elf_Scn *section = elf_file_section(f, ".gnu_debugaltlink");
	Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;
	const char *path = data ? data->d_buf : NULL, *slash;
	size_t length = path ? strnlen(path, data->d_size) : 0;

	if (!path || length == data->d_size)
		return false;
	*build_id = (const uint8_t *)path + length + 1;
	*build_id_size = data->d_size - length - 1;
	slash = strrchr(path, '/');
	*name = slash ? slash + 1 : path;
	return *build_id_size && *build_id_size <= sizeof(f->build_id) && debug_name_is_base(*name);
}

uint32_t elf_file_crc(const struct elf_file *f)
{
	size_t size = 0;
	const char *bytes = elf_rawfile(f->elf, &size);

	return (uint32_t)crc32_z(0, (const uint8_t *)bytes, size);
}
