/* SPDX-License-Identifier: MIT */
#include "symbolizer/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper/sandbox.h"
#include "symbolizer/dwarf_scopes.h"
#include "symbolizer/dwarf_units.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"

/* Origins of origins: an inlined constructor has three. */
#define MAX_ORIGINS 16

/* What is known of a function: the same DIE is met again and again. */
struct function {
	Dwarf_Off die;
	struct symbolizer_function is; /* file: where it is declared */
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

/* Line tables of the unit at hand. */
struct tables {
	Dwarf_Lines *lines;
	Dwarf_Files *files;
	size_t n_lines, n_files;
	const char *folder; /* of the compiler; NULL: unknown */
};

/* A line of source. */
struct position {
	uint32_t line; /* 0: unknown */
	uint32_t file; /* a string of the answer; 0: unknown */
};

/* libdw has no other way to say that memory ran out. */
static __attribute__((noreturn)) void out_of_memory(void)
{
	_exit(SANDBOX_EXIT_MEMORY);
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

/* Finds an attribute of the DIE or of what it is an instance of; *die moves to where it is. */
static bool find_attribute(Dwarf_Die *die, unsigned name, Dwarf_Attribute *out)
{
	Dwarf_Attribute reference;
	Dwarf_Die origin;

	for (unsigned i = 0; i < MAX_ORIGINS; i++) {
		if (dwarf_attr(die, name, out))
			return true;
		if ((!dwarf_attr(die, DW_AT_abstract_origin, &reference) &&
			    !dwarf_attr(die, DW_AT_specification, &reference)) ||
			!dwarf_formref_die(&reference, &origin))
			return false;
		*die = origin;
	}
	return false;
}

static const char *compiler_folder(Dwarf_Die *unit)
{
	Dwarf_Attribute attribute;

	return dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
}

/* libdw leaves DWARF 5's names relative to the folder in which the compiler ran. */
static uint32_t add_file(struct resolver *r, const char *folder, const char *file)
{
	char path[PATH_MAX];

	if (!file || !strcmp(file, "???"))
		return 0;
	if (*file == '/' || !folder || *folder != '/')
		return names_string(r->answer, file);
	int n = snprintf(path, sizeof(path), "%s/%s", folder, file);

	return names_string(r->answer, n < (int)sizeof(path) ? path : file);
}

static uint32_t file_at(
	struct resolver *r, Dwarf_Files *files, size_t n, Dwarf_Word index, const char *folder)
{
	return index < n ? add_file(r, folder, dwarf_filesrc(files, index, NULL, NULL)) : 0;
}

/* dwarf_decl_file() does not know that clang's file 0 of DWARF 5 is a file. */
static uint32_t decl_file(struct resolver *r, const Dwarf_Die *of)
{
	Dwarf_Die die = *of, unit;
	Dwarf_Attribute attribute;
	Dwarf_Files *files;
	Dwarf_Word index;
	size_t n;

	if (!find_attribute(&die, DW_AT_decl_file, &attribute) ||
		dwarf_formudata(&attribute, &index) || !dwarf_diecu(&die, &unit, NULL, NULL) ||
		dwarf_getsrcfiles(&unit, &files, &n))
		return 0;
	return file_at(r, files, n, index, compiler_folder(&unit));
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

static struct symbolizer_function describe(struct resolver *r, Dwarf_Die *die)
{
	struct symbolizer_function function = {0};
	Dwarf_Attribute attribute;
	int line;

	names_describe(r->answer, &function, linkage_name(die, true),
		dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute)));
	function.file = decl_file(r, die);
	if (!dwarf_decl_line(die, &line) && line > 0)
		function.start_line = (uint32_t)line;
	return function;
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

static struct symbolizer_function function_at(struct resolver *r, Dwarf_Off offset)
{
	struct symbolizer_function function = {0};
	Dwarf_Die die;

	if (!dwarf_offdie(r->dwarf, offset, &die))
		return function;
	find_origin(&die);

	struct function_key key = {r, dwarf_dieoffset(&die)};
	uint64_t hash = hash_bytes(&key.die, sizeof(key.die));
	uint32_t id = intern_find(&r->function_index, hash, same_die, &key);

	if (id)
		return r->functions[id - 1].is;
	function = describe(r, &die);
	if (!grow(r->functions, r->n_functions, r->capacity, 1) &&
		!intern_add(&r->function_index, hash, (uint32_t)r->n_functions + 1))
		r->functions[r->n_functions++] = (struct function){key.die, function};
	return function; /* a cache that cannot grow only costs time */
}

/* gcc gives functions of anonymous namespaces and lambdas no linkage name, and their name alone
 * ("operator()") says little: the symbol table has the whole name of one that was not inlined. */
static void name_by_symbol(
	struct resolver *r, struct symbolizer_function *function, const char *symbol)
{
	if (symbol && function->name && !function->system_name &&
		(!strncmp(symbol, "_Z", 2) || !strncmp(symbol, "_R", 2)))
		names_describe(r->answer, function, symbol, NULL);
}

/* The function of a scope. Its file is that of the line, which can be another than where the
 * function is declared (#include in a body, macros): else the line would point nowhere. */
static uint32_t scope_function(struct resolver *r, const struct scope *scope,
	const struct position *at, const char *symbol)
{
	struct symbolizer_function function = function_at(r, scope->die);

	if (!scope->parent)
		name_by_symbol(r, &function, symbol);
	if (at->line && at->file)
		function.file = at->file;
	return names_function(r->answer, &function);
}

/* ---- lines -------------------------------------------------------------------------------- */

/* The last row at or below the address, unless its sequence has ended there. libdw sorts rows by
 * address, ends of sequences first. */
static struct position find_line(struct resolver *r, const struct tables *t, uint64_t address)
{
	struct position at = {0};
	size_t low = 0, high = t->n_lines;
	Dwarf_Addr row;
	bool end = true;
	int line = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (dwarf_lineaddr(dwarf_onesrcline(t->lines, middle), &row) || row > address)
			high = middle;
		else
			low = middle + 1;
	}
	Dwarf_Line *found = low ? dwarf_onesrcline(t->lines, low - 1) : NULL;

	if (!found || dwarf_lineendsequence(found, &end) || end)
		return at;
	if (!dwarf_lineno(found, &line) && line > 0)
		at.line = (uint32_t)line;
	at.file = add_file(r, t->folder, dwarf_linesrc(found, NULL, NULL));
	return at;
}

static struct position call_position(
	struct resolver *r, const struct tables *t, const struct scope *scope)
{
	return (struct position){
		scope->call_line, file_at(r, t->files, t->n_files, scope->call_file, t->folder)};
}

/* ---- units -------------------------------------------------------------------------------- */

/* The function that the symbol table knows, where the unit has lines but no (named) function:
 * assembly, or names that dwz moved away. */
static uint32_t symbol_function(struct resolver *r, uint32_t address, const struct position *at)
{
	const char *symbol = r->symbols[address];

	return symbol ? names_symbol(r->answer, symbol, at->line ? at->file : 0) : NAMES_NONE;
}

static void name_address(struct resolver *r, uint32_t address, const struct scopes *scopes,
	uint32_t innermost, const struct tables *tables)
{
	struct names_frame frames[SYMBOLIZER_MAX_INLINES];
	struct position at = find_line(r, tables, r->addresses[address]);
	size_t n = 0;

	if (!innermost && at.line)
		frames[n++] = (struct names_frame){symbol_function(r, address, &at), at.line};
	for (uint32_t id = innermost; id && n < SYMBOLIZER_MAX_INLINES;) {
		const struct scope *scope = &scopes->all[id];
		uint32_t function = scope_function(r, scope, &at, r->symbols[address]);

		if (function == NAMES_NONE && !scope->parent)
			function = symbol_function(r, address, &at);
		/* Without a name a call cannot be shown; its caller's line is right anyway. */
		if (function != NAMES_NONE)
			frames[n++] = (struct names_frame){function, at.line};
		at = call_position(r, tables, scope);
		id = scope->parent;
	}
	names_set(r->answer, r->asked[address], frames, n);
}

static void open_tables(struct tables *t, Dwarf_Die *unit)
{
	*t = (struct tables){.folder = compiler_folder(unit)};
	if (dwarf_getsrclines(unit, &t->lines, &t->n_lines))
		t->n_lines = 0;
	if (dwarf_getsrcfiles(unit, &t->files, &t->n_files))
		t->n_files = 0;
}

static int resolve_unit(struct resolver *r, const struct unit_address *list, size_t n)
{
	_cleanup_free_ uint64_t *addresses = calloc(n, sizeof(*addresses));
	struct scopes scopes = {0};
	struct tables tables;
	Dwarf_Die unit;
	int error;

	if (!addresses)
		return -ENOMEM;
	if (!dwarf_offdie(r->dwarf, list->unit, &unit))
		return 0;
	for (size_t i = 0; i < n; i++)
		addresses[i] = r->addresses[list[i].address];
	error = scopes_find(&scopes, &unit, addresses, n);
	if (!error)
		open_tables(&tables, &unit);
	for (size_t i = 0; !error && i < n; i++) {
		name_address(r, list[i].address, &scopes, scopes.innermost[i], &tables);
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
