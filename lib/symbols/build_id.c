/* SPDX-License-Identifier: MIT */
#include "symbols/build_id.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MIN_HEX	     8
#define MAX_SECTIONS 65536
#define MAX_NOTES    4096 /* bytes of a section that are looked at */

bool build_id_is_plain(const char *text)
{
	size_t n = strspn(text, "0123456789abcdef");

	return text[n] == '\0' && n % 2 == 0 && n >= MIN_HEX && n <= BUILD_ID_MAX_HEX;
}

/* What the header says about how to read the rest. */
struct image {
	int fd;
	bool wide, big;
};

static int read_at(const struct image *i, void *to, size_t size, uint64_t offset)
{
	ssize_t n;

	if (offset > INT64_MAX - size)
		return -ENOEXEC;
	do {
		n = pread(i->fd, to, size, (off_t)offset);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -ENOEXEC;
}

static uint16_t half(const struct image *i, uint16_t v)
{
	return i->big ? be16toh(v) : le16toh(v);
}

static uint32_t word(const struct image *i, uint32_t v)
{
	return i->big ? be32toh(v) : le32toh(v);
}

static uint64_t number(const struct image *i, uint64_t v)
{
	return i->big ? be64toh(v) : le64toh(v);
}

/* Where section headers are; *n is 0 where the count does not fit (it stands in the first one). */
static int read_header(struct image *i, uint64_t *offset, uint64_t *n, size_t *size)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr narrow;
		Elf64_Ehdr wide;
	} h;
	size_t stated;
	int r = read_at(i, h.ident, sizeof(h.ident), 0);

	if (!r && (memcmp(h.ident, ELFMAG, SELFMAG) != 0 ||
			  (h.ident[EI_CLASS] != ELFCLASS32 && h.ident[EI_CLASS] != ELFCLASS64) ||
			  (h.ident[EI_DATA] != ELFDATA2LSB && h.ident[EI_DATA] != ELFDATA2MSB)))
		r = -ENOEXEC;
	if (r)
		return r;
	i->wide = h.ident[EI_CLASS] == ELFCLASS64;
	i->big = h.ident[EI_DATA] == ELFDATA2MSB;
	r = read_at(i, &h, i->wide ? sizeof(h.wide) : sizeof(h.narrow), 0);
	if (r)
		return r;
	*offset = i->wide ? number(i, h.wide.e_shoff) : word(i, h.narrow.e_shoff);
	*n = half(i, i->wide ? h.wide.e_shnum : h.narrow.e_shnum);
	*size = i->wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	stated = half(i, i->wide ? h.wide.e_shentsize : h.narrow.e_shentsize);
	return stated == *size ? 0 : -ENODATA;
}

struct section {
	uint32_t type;
	uint64_t offset, size;
};

static int read_section(const struct image *i, uint64_t offset, struct section *out)
{
	union {
		Elf32_Shdr narrow;
		Elf64_Shdr wide;
	} s;
	int r = read_at(i, &s, i->wide ? sizeof(s.wide) : sizeof(s.narrow), offset);

	if (r)
		return r;
	if (i->wide)
		*out = (struct section){word(i, s.wide.sh_type), number(i, s.wide.sh_offset),
			number(i, s.wide.sh_size)};
	else
		*out = (struct section){word(i, s.narrow.sh_type), word(i, s.narrow.sh_offset),
			word(i, s.narrow.sh_size)};
	return 0;
}

/* The build-id of a note section in hex. 0, or -ENODATA if there is none. */
static int find_note(const struct image *i, const struct section *s, char *hex)
{
	unsigned char notes[MAX_NOTES];
	size_t size = s->size < sizeof(notes) ? (size_t)s->size : sizeof(notes), at = 0;

	if (read_at(i, notes, size, s->offset))
		return -ENODATA;
	while (size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr head;

		memcpy(&head, notes + at, sizeof(head));
		at += sizeof(head);
		uint64_t name = ((uint64_t)word(i, head.n_namesz) + 3) & ~3ULL;
		uint64_t bytes = ((uint64_t)word(i, head.n_descsz) + 3) & ~3ULL;
		size_t n = word(i, head.n_descsz);

		if (name > size - at || bytes > size - at - name)
			return -ENODATA;
		if (word(i, head.n_type) == NT_GNU_BUILD_ID && word(i, head.n_namesz) == 4 &&
			!memcmp(notes + at, ELF_NOTE_GNU, 4) && n && n <= BUILD_ID_MAX_HEX / 2) {
			for (size_t k = 0; k < n; k++)
				snprintf(hex + 2 * k, 3, "%02x", notes[at + name + k]);
			return 0;
		}
		at += (size_t)(name + bytes);
	}
	return -ENODATA;
}

int build_id_check(int fd, const char *hex)
{
	struct image i = {.fd = fd};
	char found[BUILD_ID_MAX_HEX + 1];
	uint64_t offset, n;
	size_t size;
	struct section s;
	int r = read_header(&i, &offset, &n, &size);

	if (!r && !n && offset) { /* gABI: the first one has the count in its size */
		r = read_section(&i, offset, &s);
		n = r ? 0 : s.size;
	}
	if (r)
		return r;
	if (n > MAX_SECTIONS)
		return -ENODATA;
	for (uint64_t k = 0; k < n && offset <= INT64_MAX - k * size; k++) {
		r = read_section(&i, offset + k * size, &s);
		if (r)
			return r == -ENOEXEC ? -ENODATA : r;
		if (s.type == SHT_NOTE && !find_note(&i, &s, found))
			return strcmp(found, hex) ? -ESTALE : 0;
	}
	return -ENODATA;
}
