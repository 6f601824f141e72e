// SPDX-License-Identifier: MIT
#include "symbolizer/dwarf_source.h"

#include <errno.h>
#include <gelf.h>
#include <unistd.h>

#include "helper/sandbox.h"

/* libdw has no other way to say that memory ran out. */
static __attribute__((noreturn)) void out_of_memory(void)
{
	_exit(SANDBOX_EXIT_MEMORY);
}

int dwarf_source_init(struct dwarf_source *s, Elf *elf, bool is_split)
{
	GElf_Ehdr header;

	*s = (struct dwarf_source){.elf = elf, .is_split = is_split};
	if (!gelf_getehdr(elf, &header) || header.e_ident[EI_DATA] != ELFDATA2LSB)
		return -EBADMSG;
	dwarf_sections_find(&s->sections, elf, is_split);
	return s->sections.info.bytes && s->sections.abbrev.bytes ? 0 : -EBADMSG;
}

static Dwarf *begin(Elf *elf)
{
	Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);

	if (dwarf)
		dwarf_new_oom_handler(dwarf, out_of_memory);
	return dwarf;
}

Dwarf *dwarf_source_open(struct dwarf_source *s)
{
	if (s->dwarf)
		return s->dwarf;
	s->dwarf = begin(s->elf);
	if (s->dwarf && s->alternate) {
		s->other = begin(s->alternate);
		dwarf_setalt(s->dwarf, s->other);
	}
	return s->dwarf;
}

void dwarf_source_close(struct dwarf_source *s)
{
	dwarf_end(s->dwarf);
	dwarf_end(s->other);
	s->dwarf = s->other = NULL;
}
