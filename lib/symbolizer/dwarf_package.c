// SPDX-License-Identifier: MIT
#include "symbolizer/dwarf_package.h"

#include <endian.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "symbolizer/inflate.h"
#include "util/cleanup.h"

#define INDEX	    ".debug_cu_index"
#define HEAD_SIZE   16
#define PAGE_MASK   4095ULL
#define MAX_COLUMNS 8

/* What the columns of an index mean: in version 2, and in 5. */
static const char *const COLUMNS[2][MAX_COLUMNS + 1] = {
	{NULL, ".debug_info.dwo", NULL, ".debug_abbrev.dwo", ".debug_line.dwo", NULL,
		".debug_str_offsets.dwo", NULL, NULL},
	{NULL, ".debug_info.dwo", NULL, ".debug_abbrev.dwo", ".debug_line.dwo", NULL,
		".debug_str_offsets.dwo", NULL, ".debug_rnglists.dwo"},
};

/* ---- the index ------------------------------------------------------------------------------ */

static uint32_t word_at(const struct dwarf_package *p, uint64_t offset)
{
	uint32_t word;

	if (offset + sizeof(word) > p->index.size)
		return 0;
	memcpy(&word, p->index.bytes + offset, sizeof(word));
	return le32toh(word);
}

static uint64_t id_at(const struct dwarf_package *p, uint32_t slot)
{
	uint64_t offset = HEAD_SIZE + 8ULL * slot;

	return word_at(p, offset) | (uint64_t)word_at(p, offset + 4) << 32;
}

static uint32_t row_at(const struct dwarf_package *p, uint32_t slot)
{
	return word_at(p, HEAD_SIZE + 8ULL * p->n_slots + 4ULL * slot);
}

/* Column c of row 0 is what the column means, of others an offset; the sizes come behind. */
static uint32_t cell(const struct dwarf_package *p, uint64_t row, uint32_t column)
{
	uint64_t table = HEAD_SIZE + 12ULL * p->n_slots;

	return word_at(p, table + 4 * (row * p->n_columns + column));
}

static bool read_head(struct dwarf_package *p)
{
	uint64_t cells;

	p->version = word_at(p, 0) & 0xffff; /* of 5, the upper half is padding */
	p->n_columns = word_at(p, 4);
	p->n_units = word_at(p, 8);
	p->n_slots = word_at(p, 12);
	cells = (2ULL * p->n_units + 1) * p->n_columns;
	return (p->version == 2 || p->version == 5) && p->n_columns &&
	       p->n_columns <= MAX_COLUMNS && p->n_slots && !(p->n_slots & (p->n_slots - 1)) &&
	       HEAD_SIZE + 12ULL * p->n_slots + 4 * cells <= p->index.size;
}

/* The row of a unit; 0: there is none. */
static uint32_t find_row(const struct dwarf_package *p, uint64_t id)
{
	uint32_t mask = p->n_slots - 1, slot = (uint32_t)id & mask;
	uint32_t step = ((uint32_t)(id >> 32) & mask) | 1;

	for (uint32_t i = 0; i < p->n_slots; i++, slot = (slot + step) & mask) {
		uint32_t row = row_at(p, slot);

		if (!row)
			return 0;
		if (id_at(p, slot) == id)
			return row <= p->n_units ? row : 0;
	}
	return 0;
}

/* ---- the file ------------------------------------------------------------------------------- */

static bool find_index(struct dwarf_package *p)
{
	Elf_Scn *section = elf_file_section(&p->file, INDEX);
	Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;

	if (!data || !data->d_buf)
		return false;
	p->index = (struct section_bytes){data->d_buf, data->d_size};
	return read_head(p);
}

/* All parts of units are compressed together, so all of them are unpacked. They begin with a page
 * of the scratch file: nothing else is in the arena. */
static int unpack(struct dwarf_package *p, struct scratch_file *scratch)
{
	Elf *unpacked;
	int r;

	p->arena.file = scratch;
	r = inflate_debug(&unpacked, &p->file, true, &p->arena);
	if (r || !unpacked)
		return r;
	elf_file_close(&p->file);
	p->file.elf = unpacked;
	elf_rawfile(unpacked, &p->size);
	p->bytes_fd = scratch->fd;
	p->bytes_at = p->arena.chunks[0].offset;
	return 0;
}

static int open_package(struct dwarf_package *p, struct scratch_file *scratch)
{
	GElf_Ehdr header;
	struct stat st;
	int r;

	if (fstat(p->fd, &st) || elf_file_open(&p->file, p->fd) ||
		!gelf_getehdr(p->file.elf, &header) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
		header.e_ident[EI_DATA] != ELFDATA2LSB)
		return -EBADMSG;
	p->size = (size_t)st.st_size;
	r = scratch ? unpack(p, scratch) : 0;
	return r ? r : find_index(p) ? 0 : -EBADMSG;
}

int dwarf_package_open(struct dwarf_package *p, int fd, struct scratch_file *scratch)
{
	int r;

	*p = (struct dwarf_package){.fd = fd, .bytes_fd = fd};
	r = open_package(p, scratch);
	if (!r)
		return 0;
	elf_file_close(&p->file);
	arena_free(&p->arena);
	close_fd(fd);
	*p = (struct dwarf_package){0};
	return r;
}

void dwarf_package_close(struct dwarf_package *p)
{
	if (!p->file.elf)
		return;
	elf_file_close(&p->file);
	arena_free(&p->arena);
	close_fd(p->fd);
	*p = (struct dwarf_package){0};
}

/* ---- members -------------------------------------------------------------------------------- */

/* The table of sections, as the member is to have it. */
struct sections {
	Elf64_Shdr *all;
	size_t n;
	uint64_t offset; /* in the file */
};

static int copy_sections(const struct dwarf_package *p, struct sections *s)
{
	size_t size;
	const char *file = elf_rawfile(p->file.elf, &size);
	GElf_Ehdr header;

	if (!file || size > p->size || !gelf_getehdr(p->file.elf, &header) ||
		elf_getshdrnum(p->file.elf, &s->n) || header.e_shentsize != sizeof(*s->all))
		return -EBADMSG;
	s->offset = header.e_shoff;
	if (s->offset > size || s->n > (size - s->offset) / sizeof(*s->all))
		return -EBADMSG;
	s->all = malloc(s->n * sizeof(*s->all) + 1);
	if (!s->all)
		return -ENOMEM;
	memcpy(s->all, file + s->offset, s->n * sizeof(*s->all));
	return 0;
}

/* Whether a section is cut to the part of a unit, and where that is. */
static bool part_of(const struct dwarf_package *p, uint32_t row, const char *name, uint32_t *offset,
	uint32_t *size)
{
	const char *const *names = COLUMNS[p->version == 5];

	for (uint32_t column = 0; column < p->n_columns; column++) {
		uint32_t id = cell(p, 0, column);

		if (id > MAX_COLUMNS || !names[id] || strcmp(names[id], name) != 0)
			continue;
		*offset = cell(p, row, column);
		*size = cell(p, (uint64_t)p->n_units + row, column);
		return true;
	}
	return false;
}

/* All units share their strings; of what else has no column, a unit has nothing. libdw is not to
 * see that it was a package: it would look for parts of parts. */
static int cut_section(
	const struct dwarf_package *p, uint32_t row, const char *name, Elf64_Shdr *sh)
{
	uint32_t offset, size;

	if (strncmp(name, ".debug_", 7) != 0 || !strcmp(name, ".debug_str.dwo"))
		return 0;
	if (!part_of(p, row, name, &offset, &size)) {
		sh->sh_name = 0;
		sh->sh_size = 0;
		return 0;
	}
	if (sh->sh_flags & SHF_COMPRESSED || offset > sh->sh_size || size > sh->sh_size - offset)
		return -EBADMSG;
	sh->sh_offset += offset;
	sh->sh_size = size;
	return 0;
}

static int cut_sections(const struct dwarf_package *p, uint32_t row, struct sections *s)
{
	Elf_Scn *section = NULL;
	size_t strings;
	int r = elf_getshdrstrndx(p->file.elf, &strings) ? -EBADMSG : 0;

	while (!r && (section = elf_nextscn(p->file.elf, section))) {
		size_t i = elf_ndxscn(section);
		const char *name = i < s->n ? elf_strptr(p->file.elf, strings, s->all[i].sh_name)
					    : NULL;

		if (name)
			r = cut_section(p, row, name, &s->all[i]);
	}
	return r;
}

/* The file, with another table of sections. Only its pages are writable and so count as memory. */
static int map_member(
	const struct dwarf_package *p, const struct sections *s, struct dwarf_member *m)
{
	size_t bytes = s->n * sizeof(*s->all);
	size_t from = s->offset & ~PAGE_MASK, to = (s->offset + bytes + PAGE_MASK) & ~PAGE_MASK;
	size_t known = to < p->size ? to : p->size; /* the file can end in a page */
	size_t file_size;
	const char *file = elf_rawfile(p->file.elf, &file_size);
	char *image = mmap(NULL, p->size, PROT_READ, MAP_PRIVATE, p->bytes_fd, (off_t)p->bytes_at);

	if (image == MAP_FAILED)
		return -ENOMEM;
	*m = (struct dwarf_member){.image = image, .size = p->size};
	if (mmap(image + from, to - from, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return -ENOMEM;
	memcpy(image + from, file + from, known - from);
	memcpy(image + s->offset, s->all, bytes);
	m->elf = elf_memory(image, p->size);
	return m->elf ? 0 : -EBADMSG;
}

int dwarf_package_member(const struct dwarf_package *p, uint64_t id, struct dwarf_member *out)
{
	uint32_t row = find_row(p, id);
	struct sections s = {0};
	int r = row ? copy_sections(p, &s) : -ENOENT;

	*out = (struct dwarf_member){0};
	if (!r)
		r = cut_sections(p, row, &s);
	if (!r)
		r = map_member(p, &s, out);
	free(s.all);
	if (r)
		dwarf_member_close(out);
	return r;
}

void dwarf_member_close(struct dwarf_member *m)
{
	elf_end(m->elf);
	if (m->image)
		munmap(m->image, m->size);
	*m = (struct dwarf_member){0};
}
