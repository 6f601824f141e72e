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
#include <sys/uio.h>

#include "symbolizer/protocol.h"
#include "symbols/answer.h"
#include "util/intern.h"

struct names {
	struct symbolizer_answer head; /* error, flags, build_id: set by whoever knows */
	struct symbolizer_segment segments[SYMBOLIZER_MAX_SEGMENT];
	struct symbolizer_address *addresses; /* n_addresses */
	bool *known;			      /* n_addresses: is named already, from the cache */
	struct symbolizer_function *functions;
	struct symbolizer_line *lines;
	char *strings;
	size_t n_segments, n_addresses, n_known;
	size_t n_functions, functions_capacity;
	size_t n_lines, lines_capacity;
	size_t n_strings, strings_capacity;
	struct intern string_index, function_index; /* offset of a string; function + 1 */
	int failed;
};

struct names_frame {
	uint32_t function; /* NAMES_NONE: left out */
	uint32_t line;
};

#define NAMES_NONE UINT32_MAX

/* Room for n addresses, with vaddr = offset and no lines. 0 or -ENOMEM; names_free in any case. */
int names_init(struct names *a, const uint64_t *offsets, size_t n);
void names_free(struct names *a);

/* What it takes on the heap. */
size_t names_bytes(const struct names *a);

/* The offset of a string, 0 for "" or after a failure. Texts longer than SYMBOLIZER_MAX_NAME are
 * cut. */
uint32_t names_string(struct names *a, const char *text);
/* The same where the length is known. */
uint32_t names_text(struct names *a, const char *text, size_t length);
/* The same where hash_bytes() of it is known, too. */
uint32_t names_hashed(struct names *a, const char *text, size_t length, uint64_t hash);
/* Fills in name and system_name (0 where it equals name) from a raw symbol. `plain`, the name in
 * the source, stands in where nobody can demangle the symbol; either may be NULL. */
void names_describe(
	struct names *a, struct symbolizer_function *function, const char *raw, const char *plain);
/* The id of a function; NAMES_NONE without a name or after a failure. */
uint32_t names_function(struct names *a, const struct symbolizer_function *function);
/* The id of a function of which only the raw symbol and perhaps the file (a string) are known. */
uint32_t names_symbol(struct names *a, const char *raw, uint32_t file);

/* The same for a stub that jumps to the symbol: "name@plt". */
uint32_t names_stub(struct names *a, const char *raw);

/* Gives an address its frames, innermost first. */
void names_set(struct names *a, size_t address, const struct names_frame *frames, size_t n_frames);

/* The answer so far, as whoever gets it sees it: valid until it grows. */
void names_view(struct names *a, struct symbol_answer *view);
/* Where its bytes are, in their order; returns how many there are. */
#define NAMES_PARTS 6
size_t names_parts(struct names *a, struct iovec parts[NAMES_PARTS]);

/* Sends the ANSWER. If anything failed, the addresses named so far are sent. 0 or -errno. */
int names_send(struct names *a, int socket);

#endif
