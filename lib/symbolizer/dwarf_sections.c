// SPDX-License-Identifier: MIT
#include "symbolizer/dwarf_sections.h"

#include <gelf.h>
#include <string.h>

static const struct {
	const char *name;
	size_t offset;
} places[] = {
	{".debug_info", offsetof(struct dwarf_sections, info)},
	{".debug_abbrev", offsetof(struct dwarf_sections, abbrev)},
	{".debug_line", offsetof(struct dwarf_sections, line)},
	{".debug_str", offsetof(struct dwarf_sections, str)},
	{".debug_line_str", offsetof(struct dwarf_sections, line_str)},
	{".debug_str_offsets", offsetof(struct dwarf_sections, str_offsets)},
	{".debug_addr", offsetof(struct dwarf_sections, addr)},
	{".debug_ranges", offsetof(struct dwarf_sections, ranges)},
	{".debug_rnglists", offsetof(struct dwarf_sections, rnglists)},
};

static struct section_bytes *place_of(struct dwarf_sections *s, const char *name, bool split)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		size_t n = strlen(places[i].name);

		if (!strncmp(name, places[i].name, n) && !strcmp(name + n, split ? ".dwo" : ""))
			return (struct section_bytes *)((char *)s + places[i].offset);
	}
	return NULL;
}

void dwarf_sections_find(struct dwarf_sections *s, Elf *elf, bool split)
{
	Elf_Scn *section = NULL;
	size_t strings;
	GElf_Shdr sh;

	*s = (struct dwarf_sections){0};
	if (elf_getshdrstrndx(elf, &strings))
		return;
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, &sh) ? elf_strptr(elf, strings, sh.sh_name)
							      : NULL;
		struct section_bytes *place = name ? place_of(s, name, split) : NULL;
		Elf_Data *data;

		if (!place || place->bytes || sh.sh_type == SHT_NOBITS ||
			sh.sh_flags & SHF_COMPRESSED)
			continue;
		data = elf_rawdata(section, NULL);
		if (data && data->d_buf)
			*place = (struct section_bytes){data->d_buf, data->d_size};
	}
}

const char *section_text(const struct section_bytes *section, uint64_t offset)
{
	if (!section->bytes || offset >= section->size ||
		!memchr(section->bytes + offset, '\0', section->size - offset))
		return NULL;
	return (const char *)section->bytes + offset;
}
