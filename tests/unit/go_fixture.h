/* SPDX-License-Identifier: MIT */
/* go_fixture.h - programs of Go, as far as their table of functions goes. */
#ifndef PROFD_TEST_GO_FIXTURE_H
#define PROFD_TEST_GO_FIXTURE_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GO_CODE	  0x401000ULL
#define GO_TABLE  0x500000ULL
#define GO_MODULE 0x600010ULL /* not where the section begins */
#define GO_DATA	  0x600000ULL

/* How the program says where its table and its code are. */
enum go_kind {
	GO_FIXED,	/* pointers in the moduledata */
	GO_RELOCATABLE, /* relocations for them */
	GO_BARE,	/* no moduledata that one can find: only what the table says */
};

static const char go_names[] = "\0.shstrtab\0.gopclntab\0.noptrdata\0.rela";

struct go_image {
	Elf64_Ehdr header;
	Elf64_Shdr sections[5];
	Elf64_Rela relocations[3];
	uint64_t data[2 + 41];
	char names[sizeof(go_names)];
};

/* The moduledata as of Go 1.18 and 1.20: the table, the code, what trees of inlined calls count
 * from. That is the table's begin here, so that trees can lie behind it. */
static inline void go_put_module(struct go_image *image, enum go_kind kind)
{
	static const struct {
		uint64_t word, value;
	} words[] = {{0, GO_TABLE}, {22, GO_CODE}, {40, GO_TABLE}};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		image->relocations[i] = (Elf64_Rela){GO_MODULE + 8 * words[i].word,
			ELF64_R_INFO(0, R_X86_64_RELATIVE), (int64_t)words[i].value};
		if (kind == GO_FIXED)
			image->data[2 + words[i].word] = words[i].value;
	}
	if (kind == GO_FIXED)
		image->data[2 + 38] = GO_TABLE;
}

/* A file in memory whose .gopclntab is these bytes. */
static inline int go_file(const void *table, size_t size, enum go_kind kind)
{
	struct go_image image = {
		.header = {.e_type = ET_DYN,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_shoff = offsetof(struct go_image, sections),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shnum = 5,
			.e_shstrndx = 1},
		.sections = {{0},
			{.sh_name = 1,
				.sh_type = SHT_STRTAB,
				.sh_offset = offsetof(struct go_image, names),
				.sh_size = sizeof(go_names)},
			{.sh_name = 11,
				.sh_type = SHT_PROGBITS,
				.sh_flags = SHF_ALLOC,
				.sh_addr = GO_TABLE,
				.sh_offset = sizeof(image),
				.sh_size = size},
			{.sh_name = 22,
				.sh_type = SHT_PROGBITS,
				.sh_flags = SHF_ALLOC,
				.sh_addr = GO_DATA,
				.sh_offset = offsetof(struct go_image, data),
				.sh_size = sizeof(image.data)},
			{.sh_name = 33,
				.sh_type = kind == GO_RELOCATABLE ? SHT_RELA : SHT_NULL,
				.sh_offset = offsetof(struct go_image, relocations),
				.sh_size = sizeof(image.relocations),
				.sh_entsize = sizeof(Elf64_Rela)}},
	};
	int fd = memfd_create("go", MFD_CLOEXEC);

	memcpy(image.header.e_ident, ELFMAG, SELFMAG);
	image.header.e_ident[EI_CLASS] = ELFCLASS64;
	image.header.e_ident[EI_DATA] = ELFDATA2LSB;
	image.header.e_ident[EI_VERSION] = EV_CURRENT;
	memcpy(image.names, go_names, sizeof(go_names));
	go_put_module(&image, kind);
	if (fd < 0 || write(fd, &image, sizeof(image)) != (ssize_t)sizeof(image) ||
		write(fd, table, size) != (ssize_t)size)
		abort();
	return fd;
}

#endif
