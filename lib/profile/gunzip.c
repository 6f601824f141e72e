/* SPDX-License-Identifier: MIT */
#include "profile/gunzip.h"

#include <errno.h>
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

/* Makes room for more, up to max + 1 bytes: one too many tells that there is more. */
static int enlarge(struct buffer *b, size_t max)
{
	size_t capacity = b->capacity ? b->capacity * 2 : SMALLEST_BUFFER;
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

static void hand_over(struct buffer *b, uint8_t **out, size_t *out_size)
{
	/* Less is fine where the smaller block cannot be had. */
	uint8_t *shrunk = realloc(b->data, b->size ? b->size : 1);
	*out = shrunk ? shrunk : b->data;
	*out_size = b->size;
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

static int inflate_members(z_stream *z, const uint8_t *data, size_t size, size_t max,
	struct buffer *b, char *why, size_t why_size)
{
	size_t done = 0;
	for (;;) {
		if (b->size == b->capacity) {
			int r = enlarge(b, max);
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
	if (inflateInit2(&z, GZIP_WINDOW_BITS) != Z_OK) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	int r = inflate_members(&z, data, size, max, &b, why, why_size);
	inflateEnd(&z);
	if (r < 0) {
		free(b.data);
		return r;
	}
	hand_over(&b, out, out_size);
	return 0;
}

int slurp(int fd, size_t max, uint8_t **out, size_t *out_size)
{
	struct buffer b = {0};
	int r;
	for (;;) {
		if (b.size == b.capacity) {
			r = enlarge(&b, max);
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
			hand_over(&b, out, out_size);
			return 0;
		}
		b.size += (size_t)n;
	}
	free(b.data);
	return r;
}
