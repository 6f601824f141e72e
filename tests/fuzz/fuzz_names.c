// SPDX-License-Identifier: MIT
/*
 * Names of C++ functions, and mappings with the segments of their file: both come from profiles and
 * binaries that others made. A name only gets shorter, and is then as short as it can be.
 */
#include <stdlib.h>
#include <string.h>

#include "../../cli/placement.h"
#include "symbols/raw_symbol.h"

#define SEGMENTS 4
#define PAGE	 4096ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void shorten(const uint8_t *data, size_t size)
{
	char *name = strndup((const char *)data, size), *again;

	if (!name)
		abort();
	size_t before = strlen(name);
	shorten_cpp_name(name);
	again = strdup(name);
	if (!again || strlen(name) > before || (before && !*name))
		abort();
	is_cpp_symbol(again);
	free(again);
	free(name);
}

/* As symbol_answer_check() lets them through. */
static bool is_possible(const struct symbolizer_segment *s)
{
	return s->vaddr + s->memsz >= s->vaddr && s->offset + s->filesz >= s->offset;
}

/* In the segment, or in the pages at its edges. */
static bool is_in(const struct symbolizer_segment *s, uint64_t vaddr)
{
	uint64_t before = s->offset % PAGE;
	uint64_t size = s->filesz > s->memsz ? s->filesz : s->memsz;

	return vaddr - (s->vaddr - before) <= before + size + PAGE || size > UINT64_MAX - 2 * PAGE;
}

static void place(const uint8_t *data, size_t size)
{
	struct {
		struct mapping mapping;
		struct symbolizer_segment segments[SEGMENTS];
		uint64_t address;
	} in;
	uint64_t vaddr = 0;
	bool inside = false;

	memset(&in, 0, sizeof(in));
	/* Whether the producer has named it makes no difference: bytes that are no bool stay out.
	 */
	if (size > sizeof(in) - sizeof(in.mapping))
		size = sizeof(in) - sizeof(in.mapping);
	memcpy(in.segments, data, size);
	in.mapping.start = in.segments[SEGMENTS - 1].vaddr;
	in.mapping.limit = in.segments[SEGMENTS - 1].memsz;
	in.mapping.offset = in.segments[SEGMENTS - 1].offset;
	for (size_t i = 0; i < SEGMENTS; i++)
		if (!is_possible(&in.segments[i]))
			return;
	if (!placement_find(&in.mapping, in.segments, SEGMENTS, in.address, &vaddr))
		return;
	for (size_t i = 0; i < SEGMENTS; i++)
		inside |= is_in(&in.segments[i], vaddr);
	if (!inside)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	shorten(data, size);
	place(data, size);
	return 0;
}
