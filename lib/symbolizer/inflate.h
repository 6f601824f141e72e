/* SPDX-License-Identifier: MIT */
/*
 * inflate.h - compressed debug sections (gABI's SHF_COMPRESSED; GNU's older .zdebug_*), unpacked
 * into an arena: libelf would do that on the heap, where those of a large program have no room.
 */
#ifndef PROFD_SYMBOLIZER_INFLATE_H
#define PROFD_SYMBOLIZER_INFLATE_H

#include "symbolizer/arena.h"
#include "symbolizer/elf_file.h"

/* An ELF file in the arena with nothing but the sections that symbolizing reads, for elf_end: of a
 * .dwo or .dwp file (`split`), those. It begins where the arena's next bytes are. *out is NULL if
 * none of them is compressed, and none is there twice. 0; -ENOMEM: no room; -EBADMSG: broken;
 * -ENOTSUP: compressed by something else than zlib and zstd. */
int inflate_debug(Elf **out, const struct elf_file *f, bool split, struct arena *arena);

/* As many bytes as that file would have; 0: none of them is compressed, or they are broken. */
uint64_t inflate_size(const struct elf_file *f, bool split);

#endif
