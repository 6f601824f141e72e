/* SPDX-License-Identifier: MIT */
#include "profile/gunzip.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "util/cleanup.h"

#define SMALLEST_BUFFER 65536
/* zlib: "add 16 to windowBits to decode only the gzip format". */
#define GZIP_WINDOW_BITS (15 + 16)

struct buffer {
	uint8_t *data;
	size_t size, capacity;
};

/* Makes room for `capacity` bytes or more, up to max + 1: one too many tells that there is more. */
static int enlarge(struct buffer *b, size_t max, size_t capacity)
{
	if (capacity < b->capacity * 2)
		capacity = b->capacity * 2;
	if (capacity < SMALLEST_BUFFER)
		capacity = SMALLEST_BUFFER;
	if (capacity > max + 1)
		capacity = max + 1;
	if (capacity <= b->capacity)
		return -E2BIG;
	uint8_t *data = realloc(b->data, capacity);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->capacity = capacity;
	return 0;
}

static int hand_over(struct buffer *b, uint8_t **out, size_t *out_size)
{
	uint8_t *fitting = realloc(b->data, b->size + 1);
	/* Where a smaller block cannot be had, the larger one is fine. */
	if (!fitting && b->capacity <= b->size)
		return -ENOMEM;
	*out = fitting ? fitting : b->data;
	*out_size = b->size;
	return 0;
}

bool gunzip_is_gzip(const uint8_t *data, size_t size)
{
	return size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
}

/* zlib counts in 32 bits. */
static uInt part_of(size_t size)
{
	return size > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)size;
}

/* gzip's last four bytes are the size of the last member modulo 2^32 (RFC 1952): a good guess. */
static size_t guess_size(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	if (size < 18)
		return 0;
	return end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24;
}

/* Several times as quick as zlib, but it wants all of the input and room for all of the output, and
 * does not say what is wrong. False: ask zlib. */
static bool inflate_at_once(const uint8_t *data, size_t size, size_t max, struct buffer *b)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	enum libdeflate_result result = LIBDEFLATE_SUCCESS;
	size_t guess = guess_size(data, size);
	/* deflate cannot do better than 1032 to 1: more is a lie, and would be a waste of memory.
	 */
	if (!d || guess / 1032 > size || guess > max || enlarge(b, max, guess + 1) < 0)
		result = LIBDEFLATE_BAD_DATA;
	for (size_t done = 0; result == LIBDEFLATE_SUCCESS && done < size;) {
		size_t in = 0, out = 0;
		result = libdeflate_gzip_decompress_ex(d, data + done, size - done,
			b->data + b->size, b->capacity - b->size, &in, &out);
		if (result == LIBDEFLATE_INSUFFICIENT_SPACE && enlarge(b, max, 0) == 0) {
			result = LIBDEFLATE_SUCCESS;
			continue;
		}
		done += in;
		b->size += out;
	}
	libdeflate_free_decompressor(d);
	if (result == LIBDEFLATE_SUCCESS && b->size <= max)
		return true;
	b->size = 0;
	return false;
}

static int inflate_members(z_stream *z, const uint8_t *data, size_t size, size_t max,
	struct buffer *b, char *why, size_t why_size)
{
	size_t done = 0;
	for (;;) {
		if (b->size == b->capacity) {
			int r = enlarge(b, max, 0);
			if (r < 0) {
				snprintf(why, why_size,
					r == -E2BIG ? "it inflates to more than %zu MiB"
						    : "no memory for more than %zu MiB",
					b->size >> 20);
				return r;
			}
		}
		uInt in = part_of(size - done), room = part_of(b->capacity - b->size);
		z->next_in = (z_const Bytef *)data + done;
		z->avail_in = in;
		z->next_out = b->data + b->size;
		z->avail_out = room;
		int r = inflate(z, Z_NO_FLUSH);
		done += in - z->avail_in;
		b->size += room - z->avail_out;
		if (r == Z_STREAM_END && done == size && b->size <= max)
			return 0;
		if (r == Z_STREAM_END) {
			r = inflateReset(z);
		} else if (r == Z_BUF_ERROR || (r == Z_OK && done == size && z->avail_out)) {
			snprintf(why, why_size, "the gzip data is cut off after %zu bytes", size);
			return -EBADMSG;
		}
		if (r != Z_OK) {
			snprintf(why, why_size, "the gzip data is damaged near byte %zu: %s", done,
				z->msg ? z->msg : zError(r));
			return r == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
		}
	}
}

int gunzip(const uint8_t *data, size_t size, size_t max, uint8_t **out, size_t *out_size, char *why,
	size_t why_size)
{
	z_stream z = {0};
	struct buffer b = {0};
	int r = 0;
	if (!inflate_at_once(data, size, max, &b)) {
		r = inflateInit2(&z, GZIP_WINDOW_BITS) == Z_OK ? 0 : -ENOMEM;
		if (r == 0)
			r = inflate_members(&z, data, size, max, &b, why, why_size);
		inflateEnd(&z);
	}
	if (r == 0)
		r = hand_over(&b, out, out_size);
	if (r == -ENOMEM)
		snprintf(why, why_size, "out of memory");
	if (r < 0)
		free(b.data);
	return r;
}

size_t gunzip_head(const uint8_t *data, size_t size, uint8_t *out, size_t room)
{
	z_stream z = {0};
	if (inflateInit2(&z, GZIP_WINDOW_BITS) != Z_OK)
		return 0;
	z.next_in = (z_const Bytef *)data;
	z.avail_in = part_of(size);
	z.next_out = out;
	z.avail_out = part_of(room);
	/* An error leaves what came before it. */
	inflate(&z, Z_SYNC_FLUSH);
	inflateEnd(&z);
	return room - z.avail_out;
}

int slurp(int fd, size_t max, uint8_t **out, size_t *out_size)
{
	struct buffer b = {0};
	struct stat st;
	int r = 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		r = (uint64_t)st.st_size > max ? -E2BIG : enlarge(&b, max, (size_t)st.st_size + 1);
	while (r == 0) {
		if (b.size == b.capacity) {
			r = enlarge(&b, max, 0);
			if (r < 0)
				break;
		}
		ssize_t n = read(fd, b.data + b.size, b.capacity - b.size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = -errno;
			break;
		}
		if (n == 0) {
			r = hand_over(&b, out, out_size);
			break;
		}
		b.size += (size_t)n;
	}
	if (r < 0)
		free(b.data);
	return r;
}
