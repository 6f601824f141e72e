/* SPDX-License-Identifier: MIT */
/* bytes_fixture.h - bytes that are put one behind the other by hand, little-endian. */
#ifndef PROFD_TEST_BYTES_FIXTURE_H
#define PROFD_TEST_BYTES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct bytes {
	uint8_t at[2048];
	size_t n;
};

/* What is beyond eight bytes is zero. */
static inline void put(struct bytes *b, uint64_t value, size_t size)
{
	assert_true(b->n + size <= sizeof(b->at));
	for (size_t i = 0; i < size; i++)
		b->at[b->n++] = (uint8_t)(i < 8 ? value >> 8 * i : 0);
}

static inline void put_uleb(struct bytes *b, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		put(b, 0x80 | (value & 0x7f), 1);
	put(b, value, 1);
}

/* With its end. Returns where in `b`. */
static inline uint32_t put_text(struct bytes *b, const char *text)
{
	uint32_t at = (uint32_t)b->n;

	for (const char *p = text; *p; p++)
		put(b, (uint8_t)*p, 1);
	put(b, 0, 1);
	return at;
}

/* Four bytes that were put already. */
static inline void set_word(struct bytes *b, size_t at, size_t value)
{
	assert_true(at + 4 <= b->n);
	for (size_t i = 0; i < 4; i++)
		b->at[at + i] = (uint8_t)(value >> 8 * i);
}

#endif
