/* SPDX-License-Identifier: MIT */
#include "symbolizer/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolizer/demangle.h"
#include "symbolizer/dwarf_scopes.h"
#include "symbolizer/dwarf_units.h"
#include "symbolizer/sandbox.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"

/* Origins of origins: an inlined constructor has three. */
#define MAX_ORIGINS 16

/* What is known of a function: the same DIE is met again and again. */
struct function {
	Dwarf_Off die;
	uint32_t id; /* names_function() */
};

struct resolver {
	struct names *answer;
	Elf *elf;
	Dwarf *dwarf;
	const uint64_t *addresses;
	const uint32_t *asked;
	const char *const *symbols;
	size_t heap_limit, heap_base;
	struct function *functions;
	size_t n_functions, capacity;
	struct intern function_index; /* functions + 1, by DIE */
};

/* The row of a line table that an address belongs to. */
struct row {
	uint32_t line;
	const char *file; /* "" if there is none */
};

/* libdw has no other way to say that memory ran out. */
static _Noreturn void out_of_memory(void)
{
	_exit(SYMBOLIZER_EXIT_MEMORY);
}

static size_t heap_used(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static int open_dwarf(struct resolver *r)
{
	r->dwarf = dwarf_begin_elf(r->elf, DWARF_C_READ, NULL);
	if (!r->dwarf)
		return -EBADMSG;
	dwarf_new_oom_handler(r->dwarf, out_of_memory);
	r->heap_base = heap_used();
	return 0;
}

/* libdw keeps all that it ever touched. The file's sections stay, so this costs little. */
static int give_back(struct resolver *r)
{
	if (heap_used() - r->heap_base < r->heap_limit)
		return 0;
	dwarf_end(r->dwarf);
	return open_dwarf(r);
}

/* ---- functions ---------------------------------------------------------------------------- */

static const char *linkage_name(Dwarf_Die *die, bool follow)
{
	static const unsigned names[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name};
	Dwarf_Attribute attribute;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		Dwarf_Attribute *a = follow ? dwarf_attr_integrate(die, names[i], &attribute)
					    : dwarf_attr(die, names[i], &attribute);
		const char *text = a ? dwarf_formstring(a) : NULL;

		if (text && *text)
			return text;
	}
	return NULL;
}

/* Moves to the abstract instance, where everything but the addresses is; a concrete constructor
 * has a linkage name of its own and stays. */
static void find_origin(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	Dwarf_Die origin;

	for (unsigned i = 0; i < MAX_ORIGINS; i++) {
		if (linkage_name(die, false) ||
			!dwarf_attr(die, DW_AT_abstract_origin, &attribute) ||
			!dwarf_formref_die(&attribute, &origin))
			return;
		*die = origin;
	}
}

static uint32_t make_function(struct resolver *r, Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *raw = linkage_name(die, true);
	const char *plain = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));
	const char *file = dwarf_decl_file(die);
	int line = 0;

	if (dwarf_decl_line(die, &line) || line < 0)
		line = 0;
	if (!file)
		file = "";
	if (!raw && !plain)
		return NAMES_NONE;
	if (!raw)
		return names_symbol(r->answer, plain, file, (uint32_t)line);
	/* A language whose mangling nobody here knows: the source's name says more. */
	struct demangled readable;
	if (!demangle(&readable, raw) && plain && strcmp(plain, raw) != 0)
		return names_function(r->answer, plain, raw, file, (uint32_t)line);
	demangled_free(&readable);
	return names_symbol(r->answer, raw, file, (uint32_t)line);
}

struct function_key {
	const struct resolver *resolver;
	Dwarf_Off die;
};

static bool same_die(const void *userdata, uint32_t id)
{
	const struct function_key *key = userdata;

	return key->resolver->functions[id - 1].die == key->die;
}

static uint32_t function_at(struct resolver *r, Dwarf_Off offset)
{
	Dwarf_Die die;

	if (!dwarf_offdie(r->dwarf, offset, &die))
		return NAMES_NONE;
	find_origin(&die);

	struct function_key key = {r, dwarf_dieoffset(&die)};
	uint64_t hash = hash_bytes(&key.die, sizeof(key.die));
	uint32_t id = intern_find(&r->function_index, hash, same_die, &key);

	if (id)
		return r->functions[id - 1].id;
	id = make_function(r, &die);
	if (grow(r->functions, r->n_functions, r->capacity, 1) ||
		intern_add(&r->function_index, hash, (uint32_t)r->n_functions + 1))
		return id; /* it is only a cache */
	r->functions[r->n_functions++] = (struct function){key.die, id};
	return id;
}

/* ---- lines -------------------------------------------------------------------------------- */

/* The last row at or below the address, unless its sequence has ended there. libdw sorts rows by
 * address, ends of sequences first. */
static struct row find_row(Dwarf_Lines *lines, size_t n, uint64_t address)
{
	struct row row = {0, ""};
	size_t low = 0, high = n;
	Dwarf_Addr at;
	bool end = true;
	int line = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (dwarf_lineaddr(dwarf_onesrcline(lines, middle), &at) || at > address)
			high = middle;
		else
			low = middle + 1;
	}
	Dwarf_Line *found = low ? dwarf_onesrcline(lines, low - 1) : NULL;

	if (!found || dwarf_lineendsequence(found, &end) || end)
		return row;
	if (!dwarf_lineno(found, &line) && line > 0)
		row.line = (uint32_t)line;
	const char *file = dwarf_linesrc(found, NULL, NULL);

	if (file)
		row.file = file;
	return row;
}

/* ---- units -------------------------------------------------------------------------------- */

/* The function that the symbol table knows, where the unit has lines but no (named) function:
 * assembly, or names that dwz moved away. */
static uint32_t symbol_function(struct resolver *r, uint32_t address, const struct row *row)
{
	const char *symbol = r->symbols[address];

	return symbol ? names_symbol(r->answer, symbol, row->file, 0) : NAMES_NONE;
}

static void name_address(struct resolver *r, uint32_t address, const struct scopes *scopes,
	uint32_t innermost, const struct row *row)
{
	struct names_frame frames[SYMBOLIZER_MAX_INLINES];
	uint32_t line = row->line, id = innermost;
	size_t n = 0;

	while (id && n < SYMBOLIZER_MAX_INLINES) {
		const struct scope *scope = &scopes->all[id];
		uint32_t function = function_at(r, scope->die);

		if (function == NAMES_NONE && !scope->parent)
			function = symbol_function(r, address, row);
		/* Without a name a call cannot be shown; its caller's line is right anyway. */
		if (function != NAMES_NONE)
			frames[n++] = (struct names_frame){function, line};
		line = scope->call_line;
		id = scope->parent;
	}
	if (!innermost && row->line)
		frames[n++] = (struct names_frame){symbol_function(r, address, row), line};
	names_set(r->answer, r->asked[address], frames, n);
}

static int resolve_unit(struct resolver *r, const struct unit_address *list, size_t n)
{
	_cleanup_free_ uint64_t *addresses = calloc(n, sizeof(*addresses));
	struct scopes scopes = {0};
	Dwarf_Lines *lines = NULL;
	size_t n_lines = 0;
	Dwarf_Die unit;
	int error;

	if (!addresses)
		return -ENOMEM;
	if (!dwarf_offdie(r->dwarf, list->unit, &unit))
		return 0;
	for (size_t i = 0; i < n; i++)
		addresses[i] = r->addresses[list[i].address];
	error = scopes_find(&scopes, &unit, addresses, n);
	if (!error && dwarf_getsrclines(&unit, &lines, &n_lines))
		n_lines = 0;
	for (size_t i = 0; !error && i < n; i++) {
		struct row row = find_row(lines, n_lines, addresses[i]);

		name_address(r, list[i].address, &scopes, scopes.innermost[i], &row);
		error = r->answer->failed;
	}
	scopes_free(&scopes);
	return error;
}

static int resolve_units(struct resolver *r, const struct unit_address *list, size_t n)
{
	int error = 0;

	for (size_t first = 0, end; !error && first < n; first = end) {
		for (end = first + 1; end < n && list[end].unit == list[first].unit;)
			end++;
		error = resolve_unit(r, list + first, end - first);
		if (!error)
			error = give_back(r);
	}
	return error;
}

int dwarf_resolve(struct names *answer, Elf *elf, const uint64_t *addresses, const uint32_t *asked,
	const char *const *symbols, size_t n, size_t heap_limit)
{
	struct resolver r = {
		.answer = answer,
		.elf = elf,
		.addresses = addresses,
		.asked = asked,
		.symbols = symbols,
		.heap_limit = heap_limit,
	};
	_cleanup_free_ struct unit_address *list = NULL;
	size_t n_list = 0;
	int error = open_dwarf(&r);

	if (!error)
		error = dwarf_units_find(r.dwarf, addresses, n, &list, &n_list);
	if (!error)
		error = give_back(&r);
	if (!error) {
		answer->head.flags |= SYMBOLIZER_HAS_FILES | SYMBOLIZER_HAS_LINES |
				      SYMBOLIZER_HAS_INLINES;
		error = resolve_units(&r, list, n_list);
	}
	dwarf_end(r.dwarf);
	free(r.functions);
	intern_free(&r.function_index);
	return error;
}
