// SPDX-License-Identifier: MIT
#include "console.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/look.h"
#include "terminal.h"

#define CHUNK	 512
#define ESCAPE	 '\033'
#define PLAIN	 "\033[0m"
#define SEQUENCE 16 /* more than any of look.h */

struct console {
	int fd;
	bool colours;
	bool lead;     /* the byte before was 0xc2, which begins the C1 control characters */
	bool coloured; /* up to the end of the line at most */
	char sequence[SEQUENCE];
	size_t n_sequence; /* bytes of a sequence that is not whole yet */
	char chunk[CHUNK];
	size_t n;
	int error;
};

static void flush(struct console *c)
{
	size_t at = 0;

	while (at < c->n && !c->error) {
		ssize_t done = write(c->fd, c->chunk + at, c->n - at);
		if (done >= 0)
			at += (size_t)done;
		else if (errno != EINTR)
			c->error = errno;
	}
	c->n = 0;
}

static void put(struct console *c, const char *data, size_t size)
{
	if (c->n + size > sizeof(c->chunk))
		flush(c);
	memcpy(c->chunk + c->n, data, size);
	c->n += size;
}

static void put_clean(struct console *c, char byte)
{
	unsigned char b = (unsigned char)byte;
	bool bad = b != '\n' && b != '\t' && (b < 0x20 || b == 0x7f);

	if (c->lead && b >= 0x80 && b < 0xa0)
		bad = true;
	c->lead = b == 0xc2;
	/* Whatever a name has begun ends with its line. */
	if (b == '\n' && c->coloured)
		put(c, PLAIN, strlen(PLAIN));
	c->coloured &= b != '\n';
	put(c, bad ? "?" : &byte, 1);
}

/* What looked like one of our sequences is none. */
static void end_sequence(struct console *c)
{
	for (size_t i = 0; i < c->n_sequence; i++)
		put_clean(c, c->sequence[i]);
	c->n_sequence = 0;
}

static void take(struct console *c, char byte)
{
	bool whole;

	if (!c->n_sequence && !(byte == ESCAPE && c->colours)) {
		put_clean(c, byte);
		return;
	}
	c->sequence[c->n_sequence++] = byte;
	if (!look_is_sequence(c->sequence, c->n_sequence, &whole)) {
		/* The last byte may begin the next. */
		c->n_sequence--;
		end_sequence(c);
		take(c, byte);
	} else if (whole) {
		bool ends = c->n_sequence == strlen(PLAIN) &&
			    !memcmp(c->sequence, PLAIN, strlen(PLAIN));
		if (c->coloured || !ends)
			put(c, c->sequence, c->n_sequence);
		c->coloured = !ends;
		c->n_sequence = 0;
	}
}

static ssize_t write_clean(void *cookie, const char *data, size_t size)
{
	struct console *c = cookie;

	c->error = 0;
	for (size_t i = 0; i < size && !c->error; i++)
		take(c, data[i]);
	flush(c);
	errno = c->error;
	return c->error ? 0 : (ssize_t)size;
}

static int close_console(void *cookie)
{
	struct console *c = cookie;

	end_sequence(c);
	flush(c);
	free(c);
	return 0;
}

FILE *console_open(int fd, bool colours)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = fd;
	c->colours = colours;
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
	FILE *f = terminal_is_output() ? console_open(STDOUT_FILENO, terminal_colours()) : NULL;

	if (f)
		stdout = f;
}
