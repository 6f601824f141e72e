// SPDX-License-Identifier: MIT
#include "symbolizer/dwarf_unit.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/grow.h"

/* Namespaces, classes, blocks and inlined calls within each other; also bounds the C stack. */
#define MAX_DEPTH 512

/* ---- functions ------------------------------------------------------------------------------ */

struct builder {
	struct unit_reader *reader;
	const struct dwarf_unit *unit;
	bool thorough;
	struct unit_function *functions;
	size_t n_functions, functions_capacity;
	struct unit_call *calls;
	size_t n_calls, calls_capacity;
	int error;
};

enum role { ROLE_OTHER, ROLE_TYPE, ROLE_CONTAINER, ROLE_BLOCK, ROLE_INLINED, ROLE_FUNCTION };

static enum role role_of(unsigned tag)
{
	switch (tag) {
	case DW_TAG_subprogram:
		return ROLE_FUNCTION;
	case DW_TAG_inlined_subroutine:
		return ROLE_INLINED;
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
		return ROLE_BLOCK;
	case DW_TAG_compile_unit:
	case DW_TAG_namespace:
	case DW_TAG_module:
		return ROLE_CONTAINER;
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_interface_type:
		return ROLE_TYPE;
	default:
		return ROLE_OTHER;
	}
}

/* Adds the DIE's ranges under an id. False if there are none. */
static bool add_ranges(struct builder *b, const struct die *die, uint32_t id, uint32_t parent)
{
	struct unit_reader *r = b->reader;
	struct die_ranges ranges;
	uint64_t low, high;
	bool any = false;

	die_ranges_open(&ranges, &r->dies, &b->unit->lists, die);
	while (!b->error && die_ranges_next(&ranges, &low, &high)) {
		if (!low)
			continue; /* dropped by the linker */
		b->error = spans_add(&r->spans, low, high, id, parent);
		any = true;
	}
	return any;
}

static void add_function(struct builder *b, const struct die *die)
{
	if (!add_ranges(b, die, (uint32_t)b->n_functions + 1, 0) || b->error)
		return;
	b->error = grow(b->functions, b->n_functions, b->functions_capacity, 1);
	if (!b->error)
		b->functions[b->n_functions++] = (struct unit_function){.die = die->offset};
}

/* Walks one list of siblings. False when the unit is at its end, or the walk. */
static bool find_functions(struct builder *b, unsigned depth)
{
	struct dies *d = &b->reader->dies;
	struct die die;

	while (!b->error && dies_next(d, &die)) {
		enum role role = role_of(die.tag);
		bool descend = role == ROLE_CONTAINER ||
			       (role == ROLE_TYPE && b->unit->types_hold_code) ||
			       (b->thorough && role != ROLE_OTHER && depth < MAX_DEPTH);

		if (!die.tag)
			return true;
		if (role == ROLE_FUNCTION)
			add_function(b, &die);
		if (!die.has_children)
			continue;
		if (!(descend && depth < MAX_DEPTH ? find_functions(b, depth + 1)
						   : dies_skip_children(d, &die)))
			return false;
	}
	return false;
}

static const struct boundary *flatten(struct builder *b, size_t *n, uint64_t *base)
{
	struct unit_reader *r = b->reader;
	_cleanup_free_ struct boundary *flat = NULL;
	const struct boundary *kept;

	*n = 0;
	*base = r->spans.base;
	b->error = spans_flatten(&r->spans, &flat, n);
	if (b->error)
		return NULL;
	kept = arena_copy(r->arena, flat, *n, sizeof(*flat));
	if (!kept)
		b->error = -ENOMEM;
	return kept;
}

/* Goes to a DIE of the unit. */
static bool seek(const struct dwarf_unit *u, struct unit_reader *reader, uint64_t die, int *error)
{
	const struct dwarf_sections *s = &u->source->sections;

	if (reader->open != u) {
		reader->open = NULL;
		*error = dies_open(
			&reader->dies, s->info.bytes, &u->where, s->abbrev.bytes, s->abbrev.size);
		if (*error)
			return false;
		reader->dies.addresses = u->addresses.bytes;
		reader->dies.addresses_size = u->addresses.size;
		reader->open = u;
	}
	return dies_seek(&reader->dies, die);
}

/* What is known of functions that were found before stays so. Both lists are in the order of the
 * unit. */
static void keep_open(struct builder *b, const struct unit_function *before, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < b->n_functions && k < n; i++) {
		while (k < n && before[k].die < b->functions[i].die)
			k++;
		if (k < n && before[k].die == b->functions[i].die)
			b->functions[i] = before[k];
	}
}

int dwarf_unit_functions(struct dwarf_unit *u, struct unit_reader *reader, bool thorough)
{
	struct builder b = {.reader = reader, .unit = u, .thorough = thorough};
	const struct boundary *boundaries = NULL;
	struct unit_function *functions = NULL;
	uint64_t base;
	size_t n;

	reader->spans.n = 0;
	if (seek(u, reader, u->where.first, &b.error))
		find_functions(&b, 0);
	if (b.error == -EBADMSG)
		b.error = 0;
	if (!b.error)
		boundaries = flatten(&b, &n, &base);
	if (!b.error) {
		keep_open(&b, u->functions, u->n_functions);
		functions = arena_copy(
			reader->arena, b.functions, b.n_functions, sizeof(*b.functions));
		b.error = functions ? 0 : -ENOMEM;
	}
	/* All of it, or nothing: boundaries say which function. */
	if (!b.error) {
		u->boundaries = boundaries;
		u->n_boundaries = n;
		u->base = base;
		u->functions = functions;
		u->n_functions = b.n_functions;
		u->is_thorough = thorough;
	}
	free(b.functions);
	return b.error;
}

/* ---- inlined calls -------------------------------------------------------------------------- */

static uint32_t add_call(struct builder *b, const struct die *die, uint32_t parent)
{
	uint32_t id = (uint32_t)b->n_calls;

	b->error = grow(b->calls, b->n_calls, b->calls_capacity, 1);
	if (b->error)
		return 0;
	b->calls[b->n_calls++] = (struct unit_call){
		.die = die->origin ? die->origin : die->offset,
		.parent = parent,
		.line = die->call_line,
		.file = die->call_file,
	};
	return id;
}

/* Walks one list of siblings within a function. False as above. */
static bool find_calls(struct builder *b, uint32_t parent, unsigned depth)
{
	struct dies *d = &b->reader->dies;
	struct die die;

	while (!b->error && dies_next(d, &die)) {
		enum role role = role_of(die.tag);
		uint32_t around = parent;
		bool descend = role == ROLE_BLOCK;

		if (!die.tag)
			return true;
		if (role == ROLE_INLINED) {
			around = (uint32_t)b->n_calls;
			descend = add_ranges(b, &die, around, parent) && !b->error;
			if (descend)
				add_call(b, &die, parent);
		}
		if (!die.has_children)
			continue;
		if (!(descend && depth < MAX_DEPTH ? find_calls(b, around, depth + 1)
						   : dies_skip_children(d, &die)))
			return false;
	}
	return false;
}

int dwarf_unit_open(const struct dwarf_unit *u, struct unit_reader *reader, struct unit_function *f)
{
	struct builder b = {.reader = reader, .unit = u};
	struct die die;
	size_t n = 0;

	reader->spans.n = 0;
	b.error = grow(b.calls, 0, b.calls_capacity, 1);
	b.n_calls = 1;
	if (!b.error && seek(u, reader, f->die, &b.error) && dies_next(&reader->dies, &die) &&
		die.has_children)
		find_calls(&b, 0, 0);
	if (!b.error)
		f->boundaries = flatten(&b, &n, &f->base);
	if (!b.error) {
		f->n_boundaries = (uint32_t)n;
		f->n_calls = (uint32_t)b.n_calls;
		f->calls = arena_copy(reader->arena, b.calls, b.n_calls, sizeof(*b.calls));
		f->is_open = f->calls != NULL;
		if (!f->calls)
			b.error = -ENOMEM;
	}
	free(b.calls);
	return b.error;
}

struct unit_function *dwarf_unit_function(const struct dwarf_unit *u, uint64_t address)
{
	uint32_t id = boundaries_find(u->boundaries, u->n_boundaries, u->base, address);

	return id ? &u->functions[id - 1] : NULL;
}

/* ---- lines ---------------------------------------------------------------------------------- */

int dwarf_unit_lines(struct dwarf_unit *u, struct unit_reader *reader,
	const struct dwarf_sections *sections, uint64_t offset)
{
	struct line_table t;
	int r = line_table_read(&t, sections, offset, u->where.address_size);

	u->lines_base = t.base;
	u->rows = arena_copy(reader->arena, t.rows, t.n_rows, sizeof(*t.rows));
	u->files = arena_copy(reader->arena, t.files, t.n_files, sizeof(*t.files));
	if (!u->rows || !u->files)
		r = -ENOMEM;
	u->n_rows = r == -ENOMEM ? 0 : t.n_rows;
	u->n_files = r == -ENOMEM ? 0 : t.n_files;
	line_table_free(&t);
	return r == -ENOMEM ? r : 0;
}

const struct line_row *dwarf_unit_row(const struct dwarf_unit *u, uint64_t address)
{
	size_t low = 0, high = u->n_rows;

	if (address < u->lines_base || address - u->lines_base > UINT32_MAX)
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (u->rows[middle].start <= address - u->lines_base)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &u->rows[low - 1] : NULL;
}
