/* SPDX-License-Identifier: MIT */
/* gunzip.h - files into memory, and gzip apart, both with a limit. */
#ifndef PROFD_PROFILE_GUNZIP_H
#define PROFD_PROFILE_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool gunzip_is_gzip(const uint8_t *data, size_t size);
/* Inflates one or more gzip members to *out (the caller's to free). 0, or -errno with a line in
 * `why`: -EBADMSG, -E2BIG beyond max bytes, -ENOMEM. */
int gunzip(const uint8_t *data, size_t size, size_t max, uint8_t **out, size_t *out_size, char *why,
	size_t why_size);
/* Inflates what the first bytes of a gzip file hold, at most `room` bytes: how many it was. */
size_t gunzip_head(const uint8_t *data, size_t size, uint8_t *out, size_t room);
/* Reads a descriptor from its offset to its end. Both blocks have one byte more than their size. 0
 * or -errno (-E2BIG beyond max bytes). */
int slurp(int fd, size_t max, uint8_t **out, size_t *out_size);

#endif
