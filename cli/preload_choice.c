// SPDX-License-Identifier: MIT
#include "preload_choice.h"

#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

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

static bool is_linked_with_one(Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_DYNAMIC &&
			needs_one(elf, section, &header))
			return true;
	return false;
}

/* Its loader is that of glibc. */
static bool takes_preloads(Elf *elf, int fd)
{
	char loader[64] = "";
	GElf_Phdr header;
	size_t n;

	if (elf_getphdrnum(elf, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_INTERP &&
			pread(fd, loader, sizeof(loader) - 1, (off_t)header.p_offset) > 0)
			return strstr(loader, "/ld-linux") != NULL;
	return false;
}

enum preload preload_choose(const char *program, const char *others)
{
	_cleanup_free_ char *path = child_find(program);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	enum preload choice = others && has_operators(others) ? PRELOAD_CXX : PRELOAD_PLAIN;

	elf_version(EV_CURRENT);
	Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF) {
		if (!takes_preloads(elf, fd))
			choice = PRELOADS;
		else if (is_linked_with_one(elf))
			choice = PRELOAD_CXX;
	}
	elf_end(elf);
	return choice;
}
