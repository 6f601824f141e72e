// SPDX-License-Identifier: MIT
#include "preload_choice.h"

#include <fcntl.h>
#include <gelf.h>
#include <string.h>

#include "command.h"
#include "util/cleanup.h"

static bool has_operators(const char *library)
{
	static const char *const allocators[] = {"libjemalloc", "libtcmalloc", "libmimalloc"};

	for (size_t i = 0; i < sizeof(allocators) / sizeof(*allocators); i++)
		if (strstr(library, allocators[i]))
			return true;
	return false;
}

static bool needs_one(Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Dyn entry;

	for (int i = 0; data && gelf_getdyn(data, i, &entry); i++) {
		const char *name = entry.d_tag == DT_NEEDED
					   ? elf_strptr(elf, header->sh_link, entry.d_un.d_val)
					   : NULL;
		if (name && has_operators(name))
			return true;
	}
	return false;
}

static bool is_linked_with_one(const char *program)
{
	_cleanup_free_ char *path = child_find(program);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	bool found = false;

	elf_version(EV_CURRENT);
	Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ, NULL);
	while (elf && !found && (section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_DYNAMIC)
			found = needs_one(elf, section, &header);
	elf_end(elf);
	return found;
}

enum preload preload_choose(const char *program, const char *others)
{
	return (others && has_operators(others)) || is_linked_with_one(program) ? PRELOAD_CXX
										: PRELOAD_PLAIN;
}
