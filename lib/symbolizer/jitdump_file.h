/* SPDX-License-Identifier: MIT */
/* jitdump_file.h - bytes and records of a jitdump, which whoever is profiled writes meanwhile. */
#ifndef PROFD_SYMBOLIZER_JITDUMP_FILE_H
#define PROFD_SYMBOLIZER_JITDUMP_FILE_H

#include <stddef.h>
#include <stdint.h>

#define JITDUMP_BUFFER (256u << 10)

/* Bytes of the file at any place; mostly of one after the other. */
struct jitdump_file {
	int fd;
	char *bytes; /* JITDUMP_BUFFER of them: the caller's */
	uint64_t at;
	size_t size;
	uint64_t read; /* bytes that were not yet accounted for */
	int error;     /* -errno of the last that could not be read */
};

struct jitdump_record {
	uint32_t id, size; /* size: of all of it, in bytes */
	uint64_t time;
};

/* `size` bytes (at most JITDUMP_BUFFER) of the file, or NULL where it ends before, or after an
 * error. They stay until others are asked for. */
const void *jitdump_bytes(struct jitdump_file *f, uint64_t at, size_t size);

#endif
