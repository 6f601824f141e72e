/* SPDX-License-Identifier: MIT */
#include "symbolizer/textfile.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void textfile_init(struct textfile *f, int fd)
{
	f->fd = fd;
	f->position = 0;
	f->start = f->end = 0;
	f->skipping = false;
	f->error = 0;
}

/* Moves the unfinished line to the front and reads behind it. False at the end. */
static bool fill(struct textfile *f)
{
	ssize_t n;

	memmove(f->buffer, f->buffer + f->start, f->end - f->start);
	f->end -= f->start;
	f->start = 0;
	do {
		n = pread(f->fd, f->buffer + f->end, sizeof(f->buffer) - 1 - f->end, f->position);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		f->error = -errno;
	if (n <= 0)
		return false;
	f->end += (size_t)n;
	f->position += n;
	return true;
}

/* Takes `length` bytes as a line and `skip` more. */
static char *take(struct textfile *f, size_t length, size_t skip)
{
	char *line = f->buffer + f->start;

	line[length] = '\0';
	f->start += length + skip;
	return line;
}

char *textfile_next(struct textfile *f)
{
	for (;;) {
		char *line = f->buffer + f->start;
		size_t have = f->end - f->start;
		char *newline = memchr(line, '\n', have);

		if (newline && f->skipping) {
			f->start += (size_t)(newline - line) + 1;
			f->skipping = false;
		} else if (newline) {
			return take(f, (size_t)(newline - line), 1);
		} else if (f->skipping) {
			f->start = f->end;
			if (!fill(f))
				return NULL;
		} else if (have > TEXTFILE_MAX_LINE) {
			f->skipping = true;
			return take(f, TEXTFILE_MAX_LINE, 1);
		} else if (!fill(f)) {
			return have && !f->error ? take(f, have, 0) : NULL;
		}
	}
}

bool textfile_hex(const char **text, uint64_t *value)
{
	const char *p = *text;

	*value = 0;
	for (;; p++) {
		unsigned digit;

		if (*p >= '0' && *p <= '9')
			digit = (unsigned)(*p - '0');
		else if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f')
			digit = (unsigned)((*p | 0x20) - 'a') + 10;
		else
			break;
		if (*value >> 60)
			return false;
		*value = *value << 4 | digit;
	}
	if (p == *text)
		return false;
	*text = p;
	return true;
}
