/* SPDX-License-Identifier: MIT */
/*
 * protocol.h - what the collector and the symbolizer say to each other over their stream socket.
 *
 * Both are the same executable, so structs travel as they are in memory. Every message is a
 * symbolizer_head and `size` bytes. The symbolizer begins with HELLO; then, for each REQUEST (with
 * the module's descriptor on its first byte), it may ask for debug files (WANT, answered by one
 * FILE with or without a descriptor) and ends with one ANSWER. The collector believes nothing of
 * an ANSWER before symbol_answer.h has checked it.
 */
#ifndef PROFD_SYMBOLIZER_PROTOCOL_H
#define PROFD_SYMBOLIZER_PROTOCOL_H

#include <stdint.h>

#define SYMBOLIZER_MAX_OFFSETS (1u << 16) /* asked at once */
#define SYMBOLIZER_MAX_ANSWER  (32u << 20)
#define SYMBOLIZER_MAX_INLINES 256	   /* lines of one address */
#define SYMBOLIZER_MAX_NAME    (64u << 10) /* bytes of a name */
#define SYMBOLIZER_MAX_WANT    256	   /* bytes of a build-id in hex, or of a base name */
#define SYMBOLIZER_MAX_SEGMENT 64
#define SYMBOLIZER_BUILD_ID    65 /* 32 bytes in hex, and NUL */

enum symbolizer_message {
	SYMBOLIZER_HELLO = 1, /* symbolizer_hello */
	SYMBOLIZER_REQUEST,   /* symbolizer_request, offsets: sorted, unique uint64_t */
	SYMBOLIZER_WANT,      /* a build-id in lowercase hex, or a base name; no NUL */
	SYMBOLIZER_FILE,      /* nothing; its descriptor comes along, if there is such a file */
	SYMBOLIZER_ANSWER,    /* symbolizer_answer, and what it counts */
};

struct symbolizer_head {
	uint32_t type; /* enum symbolizer_message */
	uint32_t size; /* of what follows */
};

struct symbolizer_hello {
	uint32_t seccomp; /* 1: the system call filter is in force */
};

enum symbolizer_kind {
	SYMBOLIZER_ELF,	     /* offsets are file offsets */
	SYMBOLIZER_KALLSYMS, /* offsets are kernel addresses */
	SYMBOLIZER_PERF_MAP, /* offsets are addresses of the process */
};

struct symbolizer_request {
	uint32_t kind;	       /* enum symbolizer_kind */
	uint32_t symbols_only; /* 1: no DWARF and no other files: a careful second try */
};

enum symbolizer_answer_flags {
	SYMBOLIZER_HAS_FILES = 1 << 0,
	SYMBOLIZER_HAS_LINES = 1 << 1,
	SYMBOLIZER_HAS_INLINES = 1 << 2,
};

/* Followed by the arrays in the order of their counts, without gaps (the wider types come first, so
 * each is aligned): segments, addresses (one for each asked offset, in order), functions, lines,
 * and the bytes of strings, in which offset 0 is "" and the last byte is NUL. */
struct symbolizer_answer {
	int32_t error;	/* 0 or -errno: nothing could be read; addresses are there still */
	uint32_t flags; /* enum symbolizer_answer_flags */
	uint32_t n_segments, n_addresses, n_functions, n_lines, n_strings;
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
