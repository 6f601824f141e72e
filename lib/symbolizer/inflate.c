// SPDX-License-Identifier: MIT
#include "symbolizer/inflate.h"

#include <endian.h>
#include <errno.h>
#include <gelf.h>
#include <libdeflate.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

/* What one byte can become; a larger promise is a lie. A block of zstd's is of 128 KiB at most, and
 * takes four bytes (RFC 8878 3.1.1.2). */
#define MAX_RATIO_ZLIB 1040
#define MAX_RATIO_ZSTD (128 * 1024 / 4)
/* Of gABI's list, which elf.h of older C libraries ends before. */
#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2
#endif
#define GNU_HEAD 12 /* "ZLIB" and the size, big-endian */

static const char *const wanted[] = {"abbrev", "addr", "aranges", "info", "line", "line_str",
	"ranges", "rnglists", "str", "str_offsets", "cu_index"};
#define PACKAGE	 "cu_index" /* only in a .dwp file, and without the suffix of what else is in it */
#define N_WANTED (sizeof(wanted) / sizeof(*wanted))

/* A section as it is and as it will be. */
struct part {
	const char *name; /* as in `wanted`; NULL: there is none */
	const uint8_t *from;
	size_t from_size, size;
	unsigned compression; /* ELFCOMPRESS_…; 0: none */
};

struct job {
	const struct elf_file *file;
	struct part parts[N_WANTED];
	bool split, any;
};

static const char *suffix_of(const struct job *j, size_t i)
{
	return j->split && strcmp(wanted[i], PACKAGE) != 0 ? ".dwo" : "";
}

/* Each type of a .dwo file may have a section of its own, which is called as that of the code, the
 * last. Only of a new file does libdw take that one. */
static bool comes_later(struct job *j, size_t i)
{
	bool later = j->split && !strcmp(wanted[i], "info");

	j->any |= later;
	return later;
}

static struct part *part_of(struct job *j, const char *name, bool *is_old)
{
	size_t skip = !strncmp(name, ".debug_", 7) ? 7 : !strncmp(name, ".zdebug_", 8) ? 8 : 0;

	*is_old = skip == 8;
	for (size_t i = 0; skip && i < N_WANTED; i++) {
		size_t n = strlen(wanted[i]);

		if (strncmp(name + skip, wanted[i], n) != 0 ||
			strcmp(name + skip + n, suffix_of(j, i)) != 0 ||
			(j->parts[i].name && !comes_later(j, i)))
			continue;
		j->parts[i] = (struct part){.name = wanted[i]};
		return &j->parts[i];
	}
	return NULL;
}

/* GNU's own form before the gABI had one. */
static int look_at_old(struct part *p)
{
	uint64_t size;

	if (p->from_size < GNU_HEAD || memcmp(p->from, "ZLIB", 4) != 0)
		return 0; /* it became no smaller */
	memcpy(&size, p->from + 4, sizeof(size));
	p->size = be64toh(size);
	p->from += GNU_HEAD;
	p->from_size -= GNU_HEAD;
	p->compression = ELFCOMPRESS_ZLIB;
	return 0;
}

static uint64_t max_ratio(unsigned compression)
{
	return compression == ELFCOMPRESS_ZSTD ? MAX_RATIO_ZSTD : MAX_RATIO_ZLIB;
}

static int look_at(struct job *j, Elf_Scn *section, const GElf_Shdr *sh, const char *name)
{
	bool is_old;
	struct part *p = sh->sh_type == SHT_NOBITS ? NULL : part_of(j, name, &is_old);
	Elf_Data *data = p ? elf_rawdata(section, NULL) : NULL;
	GElf_Chdr head;
	size_t head_size;

	if (!data || !data->d_buf) {
		if (p)
			p->name = NULL;
		return 0;
	}
	p->from = data->d_buf;
	p->from_size = p->size = data->d_size;
	if (is_old)
		look_at_old(p);
	if (sh->sh_flags & SHF_COMPRESSED) {
		head_size = gelf_getclass(j->file->elf) == ELFCLASS32 ? sizeof(Elf32_Chdr)
								      : sizeof(Elf64_Chdr);
		if (!gelf_getchdr(section, &head) || p->from_size < head_size)
			return -EBADMSG;
		if (head.ch_type != ELFCOMPRESS_ZLIB && head.ch_type != ELFCOMPRESS_ZSTD)
			return -ENOTSUP;
		p->from += head_size;
		p->from_size -= head_size;
		p->size = head.ch_size;
		p->compression = head.ch_type;
	}
	j->any |= p->compression != 0;
	if (p->compression && p->size / max_ratio(p->compression) > p->from_size)
		return -EBADMSG;
	if (p->size <= ARENA_MAX)
		return 0;
	return p->compression == ELFCOMPRESS_ZSTD &&
			       ZSTD_getFrameContentSize(p->from, p->from_size) != p->size
		       ? -EBADMSG
		       : -EFBIG;
}

static int look_at_all(struct job *j)
{
	Elf_Scn *section = NULL;
	size_t strings;
	GElf_Shdr sh;
	int r = 0;

	if (elf_getshdrstrndx(j->file->elf, &strings))
		return -EBADMSG;
	while (!r && (section = elf_nextscn(j->file->elf, section))) {
		const char *name = gelf_getshdr(section, &sh)
					   ? elf_strptr(j->file->elf, strings, sh.sh_name)
					   : NULL;

		if (name)
			r = look_at(j, section, &sh, name);
	}
	return r;
}

struct unpackers {
	struct libdeflate_decompressor *zlib;
	ZSTD_DCtx *zstd;
};

/* Right into the image, which is all the history that either needs. */
static int unpack_part(const struct unpackers *u, const struct part *p, uint8_t *to)
{
	bool whole = true;

	if (p->compression == ELFCOMPRESS_ZLIB)
		whole = !libdeflate_zlib_decompress(
			u->zlib, p->from, p->from_size, to, p->size, NULL);
	else if (p->compression)
		whole = ZSTD_decompressDCtx(u->zstd, to, p->size, p->from, p->from_size) == p->size;
	else
		memcpy(to, p->from, p->size);
	return whole ? 0 : -EBADMSG;
}

static int unpack(const struct job *j, uint8_t *image, const Elf64_Shdr *headers)
{
	struct unpackers u = {libdeflate_alloc_decompressor(), ZSTD_createDCtx()};
	int r = u.zlib && u.zstd ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < N_WANTED; i++) {
		if (j->parts[i].name)
			r = unpack_part(&u, &j->parts[i], image + headers[i + 1].sh_offset);
	}
	libdeflate_free_decompressor(u.zlib);
	ZSTD_freeDCtx(u.zstd);
	return r;
}

/* The new file: its header, names, headers of sections (none, one for each part, names), parts. */
struct layout {
	Elf64_Ehdr header;
	char names[N_WANTED * 24]; /* .debug_str_offsets.dwo, the longest, has 22 */
	Elf64_Shdr sections[N_WANTED + 2];
};

static void lay_out(const struct job *j, struct layout *l, uint64_t *size)
{
	size_t at = 1; /* of names */
	GElf_Ehdr old;

	gelf_getehdr(j->file->elf, &old);
	*size = sizeof(*l);
	for (size_t i = 0; i < N_WANTED; i++) {
		const struct part *p = &j->parts[i];
		int n = snprintf(l->names + at, sizeof(l->names) - at, ".debug_%s%s", wanted[i],
			suffix_of(j, i));

		l->sections[i + 1] = (Elf64_Shdr){
			/* libdw reads no file that has the index of a package, were it empty. */
			.sh_name = p->name ? (Elf64_Word)at : 0,
			.sh_type = p->name ? SHT_PROGBITS : SHT_NULL,
			.sh_offset = *size,
			.sh_size = p->name ? p->size : 0,
			.sh_addralign = 8,
		};
		at += (size_t)n + 1;
		*size += (l->sections[i + 1].sh_size + 7) & ~7ULL;
	}
	l->sections[N_WANTED + 1] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB,
		.sh_offset = offsetof(struct layout, names),
		.sh_size = sizeof(l->names),
		.sh_addralign = 1,
	};
	memcpy(l->header.e_ident, ELFMAG, SELFMAG);
	l->header.e_ident[EI_CLASS] = ELFCLASS64;
	l->header.e_ident[EI_DATA] = ELFDATA2LSB;
	l->header.e_ident[EI_VERSION] = EV_CURRENT;
	l->header.e_type = ET_EXEC; /* nothing is relocated */
	l->header.e_machine = old.e_machine;
	l->header.e_version = EV_CURRENT;
	l->header.e_shoff = offsetof(struct layout, sections);
	l->header.e_ehsize = sizeof(Elf64_Ehdr);
	l->header.e_shentsize = sizeof(Elf64_Shdr);
	l->header.e_shnum = N_WANTED + 2;
	l->header.e_shstrndx = N_WANTED + 1;
}

int inflate_debug(Elf **out, const struct elf_file *f, bool split, struct arena *arena)
{
	struct job job = {.file = f, .split = split};
	struct layout layout = {0};
	uint64_t size;
	uint8_t *image;
	int r = look_at_all(&job);

	*out = NULL;
	if (r == -EFBIG && arena->file)
		arena->file->lacked = true;
	if (r || !job.any)
		return r == -EFBIG ? -ENOMEM : r;
	lay_out(&job, &layout, &size);
	image = arena_alloc(arena, size);
	if (!image)
		return -ENOMEM;
	memcpy(image, &layout, sizeof(layout));
	r = unpack(&job, image, layout.sections);
	if (!r)
		*out = elf_memory((char *)image, size);
	if (*out)
		return 0;
	arena_undo(arena, size);
	return r ? r : -EBADMSG;
}

uint64_t inflate_size(const struct elf_file *f, bool split)
{
	struct job job = {.file = f, .split = split};
	struct layout layout = {0};
	uint64_t size;
	int r = look_at_all(&job);

	if (r || !job.any)
		return r == -EFBIG ? UINT64_MAX : 0;
	lay_out(&job, &layout, &size);
	return size;
}
