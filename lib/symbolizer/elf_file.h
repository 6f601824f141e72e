/* SPDX-License-Identifier: MIT */
/*
 * elf_file.h - an ELF file that somebody else made: its identity, segments and symbol tables.
 *
 * Sources: System V gABI (program headers, symbol tables, extended section indices), GDB's manual
 * (separate debug files, .gnu_debugdata). Files are mapped, not copied; one that is truncated
 * meanwhile kills this process, which is what the process is for.
 */
#ifndef PROFD_SYMBOLIZER_ELF_FILE_H
#define PROFD_SYMBOLIZER_ELF_FILE_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolizer/names.h"
#include "symbolizer/nearest.h"

struct elf_file {
	Elf *elf;
	void *image;	/* decompressed content that elf reads, or NULL */
	void *inflated; /* a section that libelf cannot inflate, or NULL */
	size_t inflated_size;
	uint8_t build_id[32];
	size_t build_id_size; /* 0: it has none */
};

/* Maps the file, whose descriptor can be closed afterwards. 0, -ENOEXEC for anything but ELF, or
 * -errno. elf_file_close in any case (a zeroed struct is fine). */
int elf_file_open(struct elf_file *f, int fd);
void elf_file_close(struct elf_file *f);

/* The minimal symbol table that Fedora puts into .gnu_debugdata, as an ELF file of its own.
 * 0, -ENOENT, -EBADMSG, -E2BIG. */
int elf_file_open_debugdata(struct elf_file *f, const struct elf_file *of);

/* A section by name, or NULL. */
Elf_Scn *elf_file_section(const struct elf_file *f, const char *name);
/* Whether it has that section, and in the file. */
bool elf_file_has(const struct elf_file *f, const char *name);
bool elf_file_has_dwarf(const struct elf_file *f);

/* The executable PT_LOADs, but those that no address space can hold. */
void elf_file_segments(const struct elf_file *f, struct names *answer);
/* Turns file offsets (sorted) into ELF virtual addresses: by the executable segment that holds the
 * offset, else by one whose pages hold it, else by any segment. vaddrs[i] is UINT64_MAX if no
 * segment does. */
void elf_file_vaddrs(const struct elf_file *f, const uint64_t *offsets, uint64_t *vaddrs, size_t n);

/* Offers the functions of .symtab, or of .dynsym where there is no .symtab. Tags are names (const
 * char *) that live as long as the file. *has_locals is set if functions are among them that only
 * their own object file knew: then nobody has taken out what linking does not need. 0 or -errno. */
int elf_file_symbols(const struct elf_file *f, struct nearest *search, bool *has_locals);

/* The base name and CRC in .gnu_debuglink; NULL if there is none. The name lives as long as the
 * file and is a plain base name. */
const char *elf_file_debuglink(const struct elf_file *f, uint32_t *crc);
/* The build-id and the base name of the file in .gnu_debugaltlink, to which dwz moved what several
 * files share. False if there is none. The name lives as long as the file. */
bool elf_file_alternate(const struct elf_file *f, const uint8_t **build_id, size_t *build_id_size,
	const char **name);
/* CRC-32 (as zlib computes it) of the whole file. */
uint32_t elf_file_crc(const struct elf_file *f);

#endif
