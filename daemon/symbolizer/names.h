/* SPDX-License-Identifier: MIT */
/*
 * names.h - the answer to one request as it grows: strings and functions once each, lines, and
 * one entry for each asked address.
 *
 * The first failure (-ENOMEM, -E2BIG beyond SYMBOLIZER_MAX_ANSWER) is kept in `failed`; what comes
 * after it is dropped, so callers need not look at each result: an address then has no name.
 */
#ifndef PROFD_SYMBOLIZER_NAMES_H
#define PROFD_SYMBOLIZER_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolizer/protocol.h"
#include "util/intern.h"

struct names {
	struct symbolizer_answer head; /* error, flags, build_id: set by whoever knows */
	struct symbolizer_segment segments[SYMBOLIZER_MAX_SEGMENT];
	struct symbolizer_address *addresses; /* n_addresses */
	struct symbolizer_function *functions;
	struct symbolizer_line *lines;
	char *strings;
	size_t n_segments, n_addresses;
	size_t n_functions, functions_capacity;
	size_t n_lines, lines_capacity;
	size_t n_strings, strings_capacity;
	struct intern string_index, function_index; /* offset of a string; function + 1 */
	int failed;
};

struct names_frame {
	uint32_t function; /* names_function(); NAMES_NONE: left out */
	uint32_t line;
};

#define NAMES_NONE UINT32_MAX

/* Room for n addresses, with vaddr = offset and no lines. 0 or -ENOMEM; names_free in any case. */
int names_init(struct names *a, const uint64_t *offsets, size_t n);
void names_free(struct names *a);

/* The id of a function, or NAMES_NONE after a failure. system_name ("": equal to name), file ("":
 * unknown). Names longer than SYMBOLIZER_MAX_NAME are cut. */
uint32_t names_function(struct names *a, const char *name, const char *system_name,
	const char *file, uint32_t start_line);
/* The same for a raw symbol: demangles it, and keeps it as system_name where that made a
 * difference. */
uint32_t names_symbol(struct names *a, const char *raw, const char *file, uint32_t start_line);

/* Gives an address its frames, innermost first. */
void names_set(struct names *a, size_t address, const struct names_frame *frames, size_t n_frames);

/* Sends the ANSWER. If anything failed, the addresses named so far are sent. 0 or -errno. */
int names_send(struct names *a, int socket);

#endif
