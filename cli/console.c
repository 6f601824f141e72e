// SPDX-License-Identifier: MIT
#include "console.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK 512

struct console {
	int fd;
	bool lead; /* the byte before was 0xc2, which begins the C1 control characters */
};

static char clean(struct console *c, unsigned char byte)
{
	bool after_lead = c->lead;

	c->lead = byte == 0xc2;
	if (after_lead && byte >= 0x80 && byte < 0xa0)
		return '?';
	return byte == '\n' || byte == '\t' || (byte >= 0x20 && byte != 0x7f) ? (char)byte : '?';
}

static ssize_t write_clean(void *cookie, const char *data, size_t size)
{
	struct console *c = cookie;
	char chunk[CHUNK];
	size_t n = size < CHUNK ? size : CHUNK;
	struct console after = *c;

	for (size_t i = 0; i < n; i++)
		chunk[i] = clean(&after, (unsigned char)data[i]);
	ssize_t done;
	do
		done = write(c->fd, chunk, n);
	while (done < 0 && errno == EINTR);
	/* The state is that behind the bytes that went out. */
	for (ssize_t i = 0; i < done; i++)
		clean(c, (unsigned char)data[i]);
	return done < 0 ? 0 : done;
}

static int close_console(void *cookie)
{
	free(cookie);
	return 0;
}

FILE *console_open(int fd)
{
	struct console *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct console){.fd = fd};
	FILE *f = fopencookie(
		c, "w", (cookie_io_functions_t){.write = write_clean, .close = close_console});
	if (!f)
		free(c);
	else
		setvbuf(f, NULL, _IOLBF, 0);
	return f;
}

void console_setup(void)
{
	FILE *f = isatty(STDOUT_FILENO) ? console_open(STDOUT_FILENO) : NULL;

	if (f)
		stdout = f;
}
