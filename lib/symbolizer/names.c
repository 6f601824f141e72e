/* SPDX-License-Identifier: MIT */
#include "symbolizer/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper/protocol.h"
#include "helper/stream.h"
#include "symbolizer/demangle.h"
#include "util/grow.h"
#include "util/hash.h"

#define NAMES_MAX_STUB 4096 /* bytes; longer names are cut */

int names_init(struct names *a, const uint64_t *offsets, size_t n)
{
	memset(a, 0, sizeof(*a));
	a->addresses = calloc(n + 1, sizeof(*a->addresses));
	a->known = calloc(n + 1, sizeof(*a->known));
	a->strings = calloc(1, 64);
	if (!a->addresses || !a->known || !a->strings)
		return -ENOMEM;
	a->strings_capacity = 64;
	a->n_strings = 1; /* "" */
	a->n_addresses = n;
	for (size_t i = 0; i < n; i++)
		a->addresses[i].vaddr = offsets[i];
	return 0;
}

void names_free(struct names *a)
{
	free(a->addresses);
	free(a->known);
	free(a->functions);
	free(a->lines);
	free(a->strings);
	intern_free(&a->string_index);
	intern_free(&a->function_index);
}

size_t names_bytes(const struct names *a)
{
	return a->n_addresses * (sizeof(*a->addresses) + sizeof(*a->known)) +
	       a->functions_capacity * sizeof(*a->functions) +
	       a->lines_capacity * sizeof(*a->lines) + a->strings_capacity +
	       intern_bytes(&a->string_index) + intern_bytes(&a->function_index);
}

static size_t answer_size(const struct names *a)
{
	return sizeof(a->head) + a->n_segments * sizeof(*a->segments) +
	       a->n_addresses * sizeof(*a->addresses) + a->n_functions * sizeof(*a->functions) +
	       a->n_lines * sizeof(*a->lines) + a->n_strings;
}

/* Keeps the first failure; true if `more` bytes may still be added. */
static bool has_room(struct names *a, size_t more)
{
	if (!a->failed && answer_size(a) + more > SYMBOLIZER_MAX_ANSWER)
		a->failed = -E2BIG;
	return !a->failed;
}

static bool keep(struct names *a, int r)
{
	if (r && !a->failed)
		a->failed = r;
	return !r;
}

struct string_key {
	const struct names *names;
	const char *text;
	size_t length;
};

static bool same_string(const void *userdata, uint32_t id)
{
	const struct string_key *key = userdata;
	const char *have = key->names->strings + id;

	return !strncmp(have, key->text, key->length) && !have[key->length];
}

static uint32_t add_text(struct names *a, const char *text, size_t length, uint64_t hash)
{
	struct string_key key = {a, text, length};
	uint32_t id;

	if (!length)
		return 0;
	id = intern_find(&a->string_index, hash, same_string, &key);
	if (id || !has_room(a, length + 1) ||
		!keep(a, grow(a->strings, a->n_strings, a->strings_capacity, length + 1)))
		return id;
	id = (uint32_t)a->n_strings;
	memcpy(a->strings + id, text, length);
	a->strings[id + length] = '\0';
	if (!keep(a, intern_add(&a->string_index, hash, id)))
		return 0;
	a->n_strings += length + 1;
	return id;
}

uint32_t names_text(struct names *a, const char *text, size_t length)
{
	if (length >= SYMBOLIZER_MAX_NAME - 1) {
		length = SYMBOLIZER_MAX_NAME - 1;
		a->head.flags |= SYMBOLIZER_CUTS_NAMES;
	}
	return add_text(a, text, length, hash_bytes(text, length));
}

uint32_t names_hashed(struct names *a, const char *text, size_t length, uint64_t hash)
{
	if (length >= SYMBOLIZER_MAX_NAME - 1)
		return names_text(a, text, length);
	return add_text(a, text, length, hash);
}

uint32_t names_string(struct names *a, const char *text)
{
	return names_text(a, text, strnlen(text, SYMBOLIZER_MAX_NAME - 1));
}

struct function_key {
	const struct names *names;
	struct symbolizer_function function;
};

static bool same_function(const void *userdata, uint32_t id)
{
	const struct function_key *key = userdata;

	return !memcmp(&key->names->functions[id - 1], &key->function, sizeof(key->function));
}

uint32_t names_function(struct names *a, const struct symbolizer_function *function)
{
	struct function_key key = {a, *function};
	uint64_t hash = hash_bytes(function, sizeof(*function));
	uint32_t id;

	if (a->failed || !function->name)
		return NAMES_NONE;
	id = intern_find(&a->function_index, hash, same_function, &key);
	if (id)
		return id - 1;
	if (!has_room(a, sizeof(*function)) ||
		!keep(a, grow(a->functions, a->n_functions, a->functions_capacity, 1)) ||
		!keep(a, intern_add(&a->function_index, hash, (uint32_t)a->n_functions + 1)))
		return NAMES_NONE;
	a->functions[a->n_functions] = *function;
	return (uint32_t)a->n_functions++;
}

void names_describe(
	struct names *a, struct symbolizer_function *function, const char *raw, const char *plain)
{
	struct demangled readable;

	if (raw && demangle(&readable, raw)) {
		function->name = names_string(a, readable.text);
		function->system_name = names_string(a, raw);
		demangled_free(&readable);
		return;
	}
	function->name = names_string(a, plain ? plain : raw ? raw : "");
	function->system_name = raw ? names_string(a, raw) : 0;
	if (function->system_name == function->name)
		function->system_name = 0;
}

uint32_t names_symbol(struct names *a, const char *raw, uint32_t file)
{
	struct symbolizer_function function = {.file = file};

	names_describe(a, &function, raw, NULL);
	return names_function(a, &function);
}

uint32_t names_stub(struct names *a, const char *raw)
{
	char name[NAMES_MAX_STUB], system_name[NAMES_MAX_STUB];
	struct symbolizer_function function = {0};
	struct demangled readable;
	bool other = demangle(&readable, raw);

	snprintf(name, sizeof(name), "%s@plt", other ? readable.text : raw);
	function.name = names_text(a, name, strlen(name));
	if (other) {
		snprintf(system_name, sizeof(system_name), "%s@plt", raw);
		function.system_name = names_text(a, system_name, strlen(system_name));
	}
	demangled_free(&readable);
	return names_function(a, &function);
}

void names_set(struct names *a, size_t address, const struct names_frame *frames, size_t n_frames)
{
	struct symbolizer_address *to = &a->addresses[address];

	if (!has_room(a, n_frames * sizeof(*a->lines)) ||
		!keep(a, grow(a->lines, a->n_lines, a->lines_capacity, n_frames)))
		return;
	to->first = (uint32_t)a->n_lines;
	to->count = 0;
	for (size_t i = 0; i < n_frames && to->count < SYMBOLIZER_MAX_INLINES; i++) {
		if (frames[i].function == NAMES_NONE)
			continue;
		a->lines[a->n_lines++] = (struct symbolizer_line){
			frames[i].function, frames[i].line};
		to->count++;
	}
}

static void count(struct names *a)
{
	a->head.n_segments = (uint32_t)a->n_segments;
	a->head.n_addresses = (uint32_t)a->n_addresses;
	a->head.n_functions = (uint32_t)a->n_functions;
	a->head.n_lines = (uint32_t)a->n_lines;
	a->head.n_strings = (uint32_t)a->n_strings;
}

void names_view(struct names *a, struct symbol_answer *view)
{
	count(a);
	*view = (struct symbol_answer){
		.head = &a->head,
		.segments = a->segments,
		.addresses = a->addresses,
		.functions = a->functions,
		.lines = a->lines,
		.strings = a->strings,
	};
}

size_t names_parts(struct names *a, struct iovec parts[NAMES_PARTS])
{
	count(a);
	parts[0] = (struct iovec){&a->head, sizeof(a->head)};
	parts[1] = (struct iovec){a->segments, a->n_segments * sizeof(*a->segments)};
	parts[2] = (struct iovec){a->addresses, a->n_addresses * sizeof(*a->addresses)};
	parts[3] = (struct iovec){a->functions, a->n_functions * sizeof(*a->functions)};
	parts[4] = (struct iovec){a->lines, a->n_lines * sizeof(*a->lines)};
	parts[5] = (struct iovec){a->strings, a->n_strings};
	return answer_size(a);
}

int names_send(struct names *a, int socket)
{
	struct helper_head head = {HELPER_ANSWER, 0};
	struct iovec parts[NAMES_PARTS];
	int r;

	head.size = (uint32_t)names_parts(a, parts);
	r = stream_write(socket, &head, sizeof(head));
	for (size_t i = 0; !r && i < NAMES_PARTS; i++)
		r = stream_write(socket, parts[i].iov_base, parts[i].iov_len);
	return r;
}
