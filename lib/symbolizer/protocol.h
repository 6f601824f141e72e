/* SPDX-License-Identifier: MIT */
/*
 * protocol.h - what stands in the messages (helper/protocol.h) to and from the symbolizer.
 *
 * A REQUEST is a symbolizer_request and the offsets (uint64_t: sorted, unique), with the module's
 * descriptor and, of an ELF file, unless nothing is cached, that of its cache file (names_cache.h);
 * of the kernel, if it has them, that of SYMBOLIZER_NOTES;
 * an ANSWER is a symbolizer_answer and what it counts, which symbols/answer.h checks.
 */
#ifndef PROFD_SYMBOLIZER_PROTOCOL_H
#define PROFD_SYMBOLIZER_PROTOCOL_H

#include <stdint.h>

#define SYMBOLIZER_MAX_OFFSETS (1u << 16) /* asked at once */
#define SYMBOLIZER_MAX_ANSWER  (32u << 20)
#define SYMBOLIZER_MAX_INLINES 256	   /* lines of one address */
#define SYMBOLIZER_MAX_NAME    (64u << 10) /* bytes of a name */
#define SYMBOLIZER_MAX_SEGMENT 64
#define SYMBOLIZER_BUILD_ID    65 /* 32 bytes in hex, and NUL */
#define SYMBOLIZER_NOTES       "/sys/kernel/notes"

enum symbolizer_kind {
	SYMBOLIZER_ELF,	     /* offsets are file offsets */
	SYMBOLIZER_ELF_CODE, /* offsets are ELF virtual addresses */
	SYMBOLIZER_KALLSYMS, /* offsets are kernel addresses */
	SYMBOLIZER_JIT,	     /* offsets are addresses of the process; a perf map or a jitdump */
	/* Offsets are where raw symbols begin in a file of texts (raw_names.h). */
	SYMBOLIZER_RAW_SHORT,
	SYMBOLIZER_RAW_WHOLE,
};

struct symbolizer_request {
	uint32_t kind;	       /* enum symbolizer_kind */
	uint32_t symbols_only; /* 1: no DWARF and no other files: a careful second try */
	uint64_t until; /* names of then, of code that comes and goes: CLOCK_MONOTONIC, ns; 0:
			 * the last ones */
};

enum symbolizer_answer_flags {
	SYMBOLIZER_HAS_FILES = 1 << 0,
	SYMBOLIZER_HAS_LINES = 1 << 1,
	SYMBOLIZER_HAS_INLINES = 1 << 2,
	/* What an ELF file has to take names from, asked for or not. */
	SYMBOLIZER_SEES_DWARF = 1 << 3,
	SYMBOLIZER_SEES_SYMTAB = 1 << 4,
	SYMBOLIZER_SEES_DYNSYM = 1 << 5,
	SYMBOLIZER_SEES_DEBUGDATA = 1 << 6,   /* .gnu_debugdata */
	SYMBOLIZER_SEES_DEBUG_FILE = 1 << 7,  /* a separate one was sent, and belongs to it */
	SYMBOLIZER_SEES_DEBUG_DWARF = 1 << 8, /* and that has these */
	SYMBOLIZER_SEES_DEBUG_SYMTAB = 1 << 9,
	/* What was cached of it holds no more, since its debug files are others now: what was
	 * answered before may be as wrong. */
	SYMBOLIZER_HAS_CHANGED = 1 << 10,
	/* What is left out of the answer: */
	SYMBOLIZER_CUTS_INLINES = 1 << 11,  /* inlined calls beyond SYMBOLIZER_MAX_INLINES */
	SYMBOLIZER_CUTS_NAMES = 1 << 12,    /* ends of names beyond SYMBOLIZER_MAX_NAME */
	SYMBOLIZER_LACKS_DWARF = 1 << 13,   /* there is some, but it cannot be read */
	SYMBOLIZER_SEES_GO_TABLE = 1 << 17, /* and takes names from it: there is no better */
	/* Another `until` may bring other names. */
	SYMBOLIZER_DEPENDS_ON_TIME = 1 << 16,
	/* Lines of the kernel were wanted, and no file has them. An answer about other code than
	 * its own may say neither this nor SYMBOLIZER_SEES_DEBUG_DWARF. */
	SYMBOLIZER_LACKS_KERNEL = 1 << 18,
	/* -ENOMEM is for want of room on the disk: what is compressed cannot be unpacked. */
	SYMBOLIZER_LACKS_ROOM = 1 << 19,
	/* It was compiled with -gsplit-dwarf, and .dwo or .dwp files are not there; with
	 * SYMBOLIZER_BAD_SPLIT they are, but are broken, cut off or of another build. */
	SYMBOLIZER_LACKS_SPLIT = 1 << 20,
	SYMBOLIZER_BAD_SPLIT = 1 << 21,
	SYMBOLIZER_LACKS_DEBUGDATA = 1 << 22, /* .gnu_debugdata is broken, or too large */
};

/* Followed by the arrays in the order of their counts, without gaps (the wider types come first, so
 * each is aligned): segments, addresses (one for each asked offset, in order), functions, lines,
 * and the bytes of strings, in which offset 0 is "" and the last byte is NUL. */
struct symbolizer_answer {
	int32_t error;	/* 0 or -errno: nothing could be read; addresses are there still */
	uint32_t flags; /* enum symbolizer_answer_flags */
	uint32_t n_segments, n_addresses, n_functions, n_lines, n_strings;
	uint32_t n_cached;   /* of the addresses: known from the cache file */
	int32_t cache_error; /* 0 or -errno: that could not be written */
	char build_id[SYMBOLIZER_BUILD_ID];
	char pad[3];
};

struct symbolizer_segment {
	uint64_t vaddr, offset, filesz, memsz;
};

/* lines[first .. first+count-1], innermost inlined function first. */
struct symbolizer_address {
	uint64_t vaddr;
	uint32_t first, count;
};

/* Offsets into strings. */
struct symbolizer_function {
	uint32_t name, system_name, file;
	uint32_t start_line;
};

struct symbolizer_line {
	uint32_t function, line;
};

_Static_assert(sizeof(struct symbolizer_answer) % 8 == 0, "what follows it must be aligned");

#endif
