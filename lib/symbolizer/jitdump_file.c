/* SPDX-License-Identifier: MIT */
#include "symbolizer/jitdump_file.h"

#include <errno.h>
#include <unistd.h>

const void *jitdump_bytes(struct jitdump_file *f, uint64_t at, size_t size)
{
	ssize_t n;

	if (at >= f->at && at - f->at <= f->size && size <= f->size - (size_t)(at - f->at))
		return f->bytes + (at - f->at);
	if (at > INT64_MAX - JITDUMP_BUFFER || size > JITDUMP_BUFFER)
		return NULL;
	f->at = at;
	f->size = 0;
	while (f->size < size) {
		n = pread(
			f->fd, f->bytes + f->size, JITDUMP_BUFFER - f->size, (off_t)(at + f->size));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			f->error = -errno;
		if (n <= 0)
			return NULL;
		f->size += (size_t)n;
		f->read += (uint64_t)n;
	}
	return f->bytes;
}
