/* SPDX-License-Identifier: MIT */
/*
 * pprof.h - profiles to and from pprof's wire form (profile.proto, gzip or raw).
 *
 * The writer streams message by message (protobuf-c packs each, zlib compresses), so its memory
 * does not grow with the profile. The reader walks the wire form in place; what it reads was
 * written by others: every length, index and size is checked, and there are limits.
 */
#ifndef PROFD_PPROF_H
#define PROFD_PPROF_H

#include "profile/profile.h"

/* Inflated bytes that the reader accepts. */
#define PPROF_MAX_BYTES (4ULL << 30)

/* Writes gzip to the descriptor. Output depends on the profile only. 0 or -errno. */
int pprof_write(const struct profile *p, int fd);

/* Parses a whole file in memory (gzip or raw). 0, or -errno with one line in `why` that says what
 * is wrong: -EBADMSG (not a profile, truncated, contradicting itself), -E2BIG, -ENOMEM. */
int pprof_parse(struct profile **out, const void *data, size_t size, char *why, size_t why_size);
/* The same from a descriptor, from its current offset to its end; `name` is for messages. */
int pprof_read(struct profile **out, int fd, const char *name, char *why, size_t why_size);
/* Quicker, and with less memory: a profile for profile_merge to copy from, and nothing else. Its
 * strings are those of the file, so that equal ones may have several ids. */
int pprof_read_lean(struct profile **out, int fd, const char *name, char *why, size_t why_size);
/* Quicker still: samples with values and labels, but without stacks. */
int pprof_read_labels(struct profile **out, int fd, const char *name, char *why, size_t why_size);
/* The period that the head of a file names, without reading the rest; 0 if it names none there.
 * profd writes headers first. Reads from the start, and leaves the descriptor's offset. */
int64_t pprof_peek_period(int fd);
int pprof_read_file(struct profile **out, const char *path, char *why, size_t why_size);

#endif
