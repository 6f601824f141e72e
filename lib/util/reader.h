/* SPDX-License-Identifier: MIT */
/*
 * reader.h - takes numbers off the front of bytes that somebody else wrote. A reader that ran out
 * of bytes returns zeros and stays failed, so callers check once, after the last read.
 */
#ifndef PROFD_UTIL_READER_H
#define PROFD_UTIL_READER_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
	const uint8_t *at, *end;
	bool failed;
};

static inline struct reader reader_of(const uint8_t *bytes, size_t size)
{
	return (struct reader){.at = bytes, .end = size ? bytes + size : bytes};
}

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

/* The next n bytes, or NULL. */
static inline const uint8_t *read_bytes(struct reader *r, uint64_t n)
{
	const uint8_t *bytes = r->at;

	if (n > reader_left(r)) {
		r->failed = true;
		r->at = r->end;
		return NULL;
	}
	if (n) /* there may be none, and no place for them */
		r->at += n;
	return bytes;
}

/* Unsigned, little-endian, of 1 to 8 bytes. */
static inline uint64_t read_number(struct reader *r, size_t size)
{
	const uint8_t *bytes = read_bytes(r, size);
	uint64_t value = 0;

	if (bytes)
		memcpy(&value, bytes, size);
	return le64toh(value);
}

/* The same, two's complement. */
static inline int64_t read_signed(struct reader *r, size_t size)
{
	unsigned spare = (unsigned)(64 - 8 * size);

	return (int64_t)(read_number(r, size) << spare) >> spare;
}

static inline uint8_t read_byte(struct reader *r)
{
	const uint8_t *byte = read_bytes(r, 1);

	return byte ? *byte : 0;
}

/* LEB128, DWARF 5 section 7.6: ten bytes hold any number; a few more may be padding. Longer ones
 * would let a small file take long. Bits beyond the 64th are dropped. *shift: behind the last. */
#define LEB_BYTES 16
static inline uint64_t read_leb(struct reader *r, unsigned *shift, uint8_t *last)
{
	uint64_t value = 0;

	*shift = 0;
	for (size_t i = 0; i < LEB_BYTES; i++) {
		*last = read_byte(r);
		if (*shift < 64)
			value |= (uint64_t)(*last & 0x7f) << *shift;
		*shift += 7;
		if (!(*last & 0x80))
			return value;
	}
	r->failed = true;
	return 0;
}

static inline uint64_t read_uleb(struct reader *r)
{
	unsigned shift;
	uint8_t last;

	return read_leb(r, &shift, &last);
}

static inline int64_t read_sleb(struct reader *r)
{
	unsigned shift;
	uint8_t last;
	uint64_t value = read_leb(r, &shift, &last);

	if (last & 0x40 && shift < 64)
		value |= ~0ULL << shift;
	return (int64_t)value;
}

#endif
