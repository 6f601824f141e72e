/* SPDX-License-Identifier: MIT */
/* elf_fixture.h - small ELF files with or without code, and with or without .debug_frame in all its
 * forms. */
#ifndef PROFD_TEST_ELF_FIXTURE_H
#define PROFD_TEST_ELF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <gelf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <zstd.h>

#define ELF_CODE 0x1000ULL

enum how { PLAIN, COMPRESSED, OLD, ZSTD };

/* One function of 16 bytes, CFA = rsp + 24. The nops make it worth compressing. */
static uint8_t elf_frames[] = "\x10\0\0\0\xff\xff\xff\xff\3\0\1\x78\x10\x0c\7\x18\x90\1\0\0"
			      "\x5c\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\x10\0\0\0\0\0\0\0"
			      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
			      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
			      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
static char elf_names[] = "\0.text\0.names\0.debug_frame\0.zdebug_frame\0.note";
static uint8_t elf_code[16];
/* Four bytes of build-id: 01020304. */
static uint8_t elf_note[] = "\4\0\0\0\4\0\0\0\3\0\0\0GNU\0\1\2\3\4";

/* An empty file for x86-64; names: which section will have the sections' names. */
static inline Elf *elf_new(int fd, GElf_Half type, GElf_Half names)
{
	Elf *elf = elf_begin(fd, ELF_C_WRITE, NULL);
	GElf_Ehdr header;

	assert_non_null(elf);
	assert_non_null(gelf_newehdr(elf, ELFCLASS64));
	assert_non_null(gelf_getehdr(elf, &header));
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	header.e_machine = EM_X86_64;
	header.e_type = type;
	header.e_shstrndx = names;
	assert_true(gelf_update_ehdr(elf, &header));
	return elf;
}

static inline Elf_Scn *elf_add_section(
	Elf *elf, GElf_Word name, GElf_Word type, void *bytes, size_t size)
{
	Elf_Scn *section = elf_newscn(elf);
	Elf_Data *data = elf_newdata(section);
	GElf_Shdr sh;

	assert_non_null(gelf_getshdr(section, &sh));
	sh.sh_name = name;
	sh.sh_type = type;
	sh.sh_addralign = 1;
	assert_true(gelf_update_shdr(section, &sh));
	*data = (Elf_Data){.d_buf = bytes, .d_size = size, .d_version = EV_CURRENT, .d_align = 1};
	return section;
}

static inline void elf_add_segment(Elf *elf, Elf_Scn *text)
{
	GElf_Phdr ph = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = ELF_CODE};
	GElf_Shdr sh;

	assert_non_null(gelf_newphdr(elf, 1));
	assert_true(elf_update(elf, ELF_C_NULL) > 0);
	assert_non_null(gelf_getshdr(text, &sh));
	ph.p_offset = sh.sh_offset;
	ph.p_filesz = ph.p_memsz = sizeof(elf_code);
	assert_true(gelf_update_phdr(elf, 0, &ph));
}

/* What libelf before 0.189 cannot write itself: `to` has room for the frames of elf_fixture. */
static inline size_t elf_pack_zstd(uint8_t to[256], const void *from, size_t size)
{
	Elf64_Chdr head = {.ch_type = 2, .ch_size = size, .ch_addralign = 1};
	size_t n = ZSTD_compress(to + sizeof(head), 256 - sizeof(head), from, size, 0);

	assert_false(ZSTD_isError(n));
	memcpy(to, &head, sizeof(head));
	return sizeof(head) + n;
}

/* A file in memory. */
static inline int elf_fixture(enum how how, bool with_code, bool with_frames)
{
	int fd = memfd_create("made", MFD_CLOEXEC);
	Elf *elf = elf_new(fd, ET_DYN, 2);
	Elf_Scn *text, *section;
	uint8_t packed[256];

	text = elf_add_section(elf, 1, SHT_PROGBITS, elf_code, sizeof(elf_code));
	elf_add_section(elf, 7, SHT_STRTAB, elf_names, sizeof(elf_names));
	if (with_frames && how == ZSTD) {
		GElf_Shdr sh;

		section = elf_add_section(
			elf, 14, SHT_PROGBITS, packed, elf_pack_zstd(packed, elf_frames, 20 + 96));
		assert_non_null(gelf_getshdr(section, &sh));
		sh.sh_flags |= SHF_COMPRESSED;
		assert_true(gelf_update_shdr(section, &sh));
	} else if (with_frames) {
		section = elf_add_section(
			elf, how == OLD ? 27 : 14, SHT_PROGBITS, elf_frames, 20 + 96);
		assert_true(elf_update(elf, ELF_C_NULL) > 0);
		if (how == COMPRESSED)
			assert_int_equal(elf_compress(section, ELFCOMPRESS_ZLIB, ELF_CHF_FORCE), 1);
		else if (how == OLD)
			assert_int_equal(elf_compress_gnu(section, 1, ELF_CHF_FORCE), 1);
	}
	elf_add_section(elf, 41, SHT_NOTE, elf_note, sizeof(elf_note) - 1);
	if (with_code)
		elf_add_segment(elf, text);
	assert_true(elf_update(elf, ELF_C_WRITE) > 0);
	elf_end(elf);
	return fd;
}

#endif
