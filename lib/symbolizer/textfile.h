/* SPDX-License-Identifier: MIT */
/* textfile.h - lines of a file of any size, with one fixed buffer. */
#ifndef PROFD_SYMBOLIZER_TEXTFILE_H
#define PROFD_SYMBOLIZER_TEXTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TEXTFILE_MAX_LINE (16u << 10) /* longer lines are cut */

struct textfile {
	int fd; /* borrowed; its own position is not touched */
	off_t position;
	size_t start, end; /* of what is in the buffer */
	bool skipping;	   /* the rest of a line that was cut */
	int error;
	char buffer[4 * TEXTFILE_MAX_LINE];
};

void textfile_init(struct textfile *f, int fd);
/* The next line without its newline, NUL-terminated, good until the next call; NULL at the end
 * of the file or after an error (-errno in `error`). A NUL in it ends the line early. */
char *textfile_next(struct textfile *f);

/* A number in hexadecimal, as it begins at *text; moves *text behind it. False if there is none or
 * it needs more than 64 bits. */
bool textfile_hex(const char **text, uint64_t *value);

#endif
