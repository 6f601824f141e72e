/* SPDX-License-Identifier: MIT */
/*
 * symbol_table.h - the names that are known of one module: what the symbolizer has answered so
 * far, each string, function and address once. It hangs on the module (module.names).
 */
#ifndef PROFD_COLLECTOR_SYMBOL_TABLE_H
#define PROFD_COLLECTOR_SYMBOL_TABLE_H

#include <stdbool.h>
#include <time.h>

#include "collector/symbols.h"
#include "symbols/answer.h"
#include "util/intern.h"

/* How much of a module the symbolizer may look at. */
enum symbol_trust {
	SYMBOL_TRUST_FULL,
	SYMBOL_TRUST_SYMBOLS, /* it died of the rest */
	SYMBOL_TRUST_NONE,    /* it died of the symbol tables too */
};

struct symbol_chunk;

struct symbol_table {
	enum symbol_trust trust;
	int error;	 /* of the last answer */
	uint64_t looked; /* when that came, us of the monotonic clock */
	/* A perf-map grows: what the file looked like when its names were asked for. */
	off_t file_size;
	struct timespec file_time;
	uint64_t until; /* what was asked for last: see symbolizer_resolve_until() */

	char build_id[SYMBOLIZER_BUILD_ID];
	uint32_t flags; /* enum symbolizer_answer_flags, of all answers */
	struct symbol_segment segments[SYMBOLIZER_MAX_SEGMENT];
	size_t n_segments;
	struct symbol_function *functions;
	size_t n_functions, functions_capacity;
	struct symbol_line *lines;
	size_t n_lines, lines_capacity;
	struct symbol_address *addresses;
	size_t n_addresses, addresses_capacity;
	const char **texts;
	size_t n_texts, texts_capacity;
	struct symbol_chunk *chunks; /* where the texts are; they never move */
	size_t chunk_bytes;
	struct intern text_index, function_index, address_index; /* index + 1 */
};

/* Forgets names; trust, error and when it was looked at stay. */
void symbol_table_clear(struct symbol_table *t);
/* Forgets names that are of another time, where they depend on it. */
void symbol_table_at(struct symbol_table *t, uint64_t until);
size_t symbol_table_bytes(const struct symbol_table *t);

bool symbol_table_has(const struct symbol_table *t, uint64_t offset);
/* Adds a checked answer for offsets that are not in the table yet. Control characters in texts
 * become '?'. -ENOMEM, -E2BIG: a part of it may have been added. */
int symbol_table_add(
	struct symbol_table *t, const struct symbol_answer *answer, const uint64_t *offsets);
/* Forgets addresses from `from` up to, but without `to`. */
void symbol_table_forget(struct symbol_table *t, uint64_t from, uint64_t to);

/* Everything in the table, with one entry in `addresses` (room for n) for each offset: those it
 * does not know have no lines. */
struct symbols symbol_table_view(const struct symbol_table *t, const uint64_t *offsets, size_t n,
	struct symbol_address *addresses);

#endif
