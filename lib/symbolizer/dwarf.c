// SPDX-License-Identifier: MIT
#include "symbolizer/dwarf.h"

#include <dwarf.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbolizer/dwarf_functions.h"
#include "symbolizer/dwarf_split.h"
#include "symbolizer/dwarf_unit.h"
#include "symbolizer/dwarf_units.h"
#include "util/cleanup.h"

#define FILE_SLOTS 256
#define MAX_LOOKS  16 /* for split DWARF that is not asked for yet */

/* The strings of an answer that files of units have. */
struct file_slot {
	const struct line_file *file;
	uint64_t answer;
	uint32_t string;
};

struct dwarf_index {
	struct dwarf_index_options options;
	struct dwarf_source main;
	struct dwarf_units units;
	struct split_files splits;
	struct arena arena;
	struct unit_reader reader;
	struct dwarf_functions functions;
	size_t heap_base;
	uint64_t answers; /* so far */
	struct file_slot files[FILE_SLOTS];
};

/* One request. */
struct resolver {
	struct dwarf_index *index;
	struct names *answer;
	const struct dwarf_request *request;
};

/* Where a unit's code is asked for. */
struct unit_address {
	uint32_t unit, address; /* indices */
};

/* A line of source. */
struct position {
	uint32_t line; /* 0: unknown */
	uint32_t file; /* a string of the answer; 0: unknown */
};

/* ---- memory --------------------------------------------------------------------------------- */

static size_t heap_used(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void forget(struct dwarf_index *x)
{
	for (size_t i = 0; i < x->units.n; i++)
		x->units.all[i].index = NULL;
	x->reader.open = NULL;
	dwarf_functions_free(&x->functions);
	split_files_free(&x->splits);
	arena_free(&x->arena);
	memset(x->files, 0, sizeof(x->files));
}

/* libdw keeps all that it ever touched. The file's sections stay, so opening it anew costs little.
 */
static bool has_room(const struct dwarf_index *x, const struct names *answer)
{
	return heap_used() < x->heap_base + names_bytes(answer) + x->options.heap_limit;
}

/* More of the disk than is left there: others have some of it, too. */
static bool fills_scratch(const struct dwarf_index *x)
{
	const struct scratch_file *f = x->arena.file;

	return f && x->arena.bytes > f->size - f->end;
}

static void give_back(struct dwarf_index *x, const struct names *answer)
{
	if (fills_scratch(x))
		forget(x);
	if (has_room(x, answer))
		return;
	dwarf_source_close(&x->main);
	split_files_close(&x->splits);
	if (!has_room(x, answer))
		forget(x);
}

/* ---- units ---------------------------------------------------------------------------------- */

/* Compilers of C and C++ define methods beside their classes, which are most of the entries. (They
 * are looked at when something is missing.) */
static bool types_hold_code(uint32_t language)
{
	switch (language) {
	case DW_LANG_C:
	case DW_LANG_C89:
	case DW_LANG_C99:
	case DW_LANG_C11:
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
		return false;
	default:
		return true;
	}
}

static bool is_split(const struct unit_entry *e)
{
	return e->is.split_name && e->is.split_id;
}

/* Where the unit's functions are: in the file itself, or in a .dwo file. 0 or -ENOMEM. */
static int place_unit(struct dwarf_index *x, const struct unit_entry *e, struct dwarf_unit *u)
{
	int r = 0;

	*u = (struct dwarf_unit){
		.source = &x->main,
		.where = e->where,
		.addresses = unit_addresses(&e->is, &x->main.sections),
		.lists = unit_ranges(&e->where, &e->is, &x->main.sections),
		.types_hold_code = types_hold_code(e->is.language),
	};
	if (!is_split(e))
		return 0;
	r = split_files_place(&x->splits, u, e, x->options.want, x->options.userdata);
	u->lacks_functions = u->source == &x->main;
	u->has_bad_file = u->lacks_functions && r;
	return r == -ENOMEM ? r : 0;
}

static uint32_t what_it_lacks(const struct dwarf_unit *u)
{
	return (u->lacks_functions ? SYMBOLIZER_LACKS_SPLIT : 0u) |
	       (u->has_bad_file ? SYMBOLIZER_BAD_SPLIT : 0u);
}

static int build(struct dwarf_index *x, struct unit_entry *e)
{
	struct dwarf_unit *u = arena_alloc(&x->arena, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	r = place_unit(x, e, u);
	if (!r)
		r = dwarf_unit_functions(u, &x->reader, false);
	if (!r && e->is.has_lines)
		r = dwarf_unit_lines(u, &x->reader, &x->main.sections, e->is.lines);
	if (!r)
		e->index = u;
	return r;
}

/* Where there is no function at all there is none inside of another, either. */
static bool may_be_code(const struct dwarf_request *q, uint32_t address)
{
	return !q->has_all_symbols || q->symbols[address];
}

/* The function at an address, with its calls; *out is NULL if there is none. Functions inside of
 * functions are rare, and to find them takes as long as all else: they are looked for only if
 * something is missing, which padding between functions is not. */
static int find_function(struct dwarf_index *x, struct dwarf_unit *u, const struct dwarf_request *q,
	uint32_t index, struct unit_function **out)
{
	uint64_t address = q->addresses[index];
	int r = 0;

	*out = dwarf_unit_function(u, address);
	if (!*out && !u->is_thorough && may_be_code(q, index)) {
		r = dwarf_unit_functions(u, &x->reader, true);
		*out = r ? NULL : dwarf_unit_function(u, address);
	}
	if (*out && !(*out)->is_open)
		r = dwarf_unit_open(u, &x->reader, *out);
	return r;
}

/* ---- files and lines ------------------------------------------------------------------------ */

/* A relative folder of the compiler is one that it was told to write (-ffile-prefix-map); it has
 * written the names so too. */
static uint32_t path_string(
	struct names *answer, const char *compiler, const char *folder, const char *name)
{
	char path[PATH_MAX];
	int n = 0;

	if (!name || !*name)
		return 0;
	if (*name == '/')
		return names_string(answer, name);
	if (folder && *folder != '/' && compiler && *compiler == '/')
		n = snprintf(path, sizeof(path), "%s/%s/%s", compiler, folder, name);
	else if (folder || (compiler && *compiler))
		n = snprintf(path, sizeof(path), "%s/%s", folder ? folder : compiler, name);
	return names_string(answer, n > 0 && n < (int)sizeof(path) ? path : name);
}

static uint32_t file_string(
	struct resolver *r, const struct unit_entry *e, const struct dwarf_unit *u, uint32_t index)
{
	struct dwarf_index *x = r->index;
	const struct line_file *file;
	struct file_slot *slot;

	if (index >= u->n_files)
		return 0;
	file = &u->files[index];
	slot = &x->files[((uintptr_t)file / sizeof(*file)) % FILE_SLOTS];
	if (slot->file != file || slot->answer != x->answers)
		*slot = (struct file_slot){file, x->answers,
			path_string(r->answer, e->is.folder, file->folder, file->name)};
	return slot->string;
}

static struct position position_of(struct resolver *r, const struct unit_entry *e,
	const struct dwarf_unit *u, uint64_t address)
{
	const struct line_row *row = dwarf_unit_row(u, address);

	if (!row || !row->line)
		return (struct position){0};
	return (struct position){row->line, file_string(r, e, u, row->file)};
}

/* ---- frames --------------------------------------------------------------------------------- */

/* The function that the symbol table knows, where the unit has lines but no (named) function:
 * assembly, or names that were moved to a file that is not there. */
static uint32_t symbol_function(struct resolver *r, uint32_t address, const struct position *at)
{
	const char *symbol = r->request->symbols[address];

	return symbol ? names_symbol(r->answer, symbol, at->line ? at->file : 0) : NAMES_NONE;
}

/* gcc gives functions of anonymous namespaces and lambdas no linkage name, and their name alone
 * ("operator()") says little: the symbol table has the whole name of one that was not inlined. */
static bool is_better(const struct dwarf_function *f, const char *symbol)
{
	return symbol && !f->raw && (!strncmp(symbol, "_Z", 2) || !strncmp(symbol, "_R", 2));
}

/* The string that a text (by number; 0: none) is in this answer. */
static uint32_t put_text(struct resolver *r, uint32_t number)
{
	struct dwarf_index *x = r->index;
	struct dwarf_text *t;

	if (!number)
		return 0;
	t = &x->functions.texts[number - 1];
	if (t->answer != x->answers) {
		t->string = names_hashed(r->answer, t->text, t->length, t->hash);
		t->answer = x->answers;
	}
	return t->string;
}

/* Where the function is declared: in a file of the unit at hand, mostly. */
static uint32_t declared_in(
	struct resolver *r, const struct unit_entry *e, const struct dwarf_unit *u, uint64_t die)
{
	struct dwarf_declaration d;

	if (!dwarf_function_declaration(u->source, die, &d))
		return 0;
	if (d.die >= u->where.offset && d.die < u->where.end && d.file < u->n_files)
		return file_string(r, e, u, (uint32_t)d.file);
	return path_string(
		r->answer, dwarf_declaration_folder(&d), NULL, dwarf_declaration_file(&d));
}

/* The file of a function is that of the line, which can be another than where it is declared
 * (#include in a body, macros): else the line would point nowhere. */
static uint32_t file_of(struct resolver *r, const struct unit_entry *e, const struct dwarf_unit *u,
	uint64_t die, const struct position *at)
{
	return at->line && at->file ? at->file : declared_in(r, e, u, die);
}

/* *number: see dwarf_functions_get. symbol: of the symbol table, if it was not inlined. */
static uint32_t function_of(struct resolver *r, const struct unit_entry *e, uint64_t die,
	uint32_t *number, const char *symbol, const struct position *at)
{
	struct dwarf_index *x = r->index;
	const struct dwarf_unit *u = e->index;
	struct dwarf_function *f = dwarf_functions_get(
		&x->functions, &x->arena, u->source, die, number);
	struct symbolizer_function function;

	if (!f || !f->name)
		return NAMES_NONE;
	function = (struct symbolizer_function){.start_line = f->start_line};
	if (is_better(f, symbol)) {
		names_describe(r->answer, &function, symbol, NULL);
		function.file = file_of(r, e, u, die, at);
		return names_function(r->answer, &function);
	}
	function.file = file_of(r, e, u, die, at);
	if (f->answer != x->answers || f->file_string != function.file) {
		function.name = put_text(r, f->name);
		function.system_name = f->raw != f->name ? put_text(r, f->raw) : 0;
		f->function = names_function(r->answer, &function);
		f->file_string = function.file;
		f->answer = x->answers;
	}
	return f->function;
}

static int name_address(struct resolver *r, const struct unit_entry *e, uint32_t address)
{
	struct dwarf_unit *u = e->index;
	uint64_t vaddr = r->request->addresses[address];
	struct names_frame frames[SYMBOLIZER_MAX_INLINES];
	struct position at = position_of(r, e, u, vaddr);
	struct unit_function *f;
	size_t n = 0;
	uint32_t id;
	int error = find_function(r->index, u, r->request, address, &f);

	if (error)
		return error;
	r->answer->head.flags |= what_it_lacks(u);
	id = f ? boundaries_find(f->boundaries, f->n_boundaries, f->base, vaddr) : 0;
	for (; id && n + 1 < SYMBOLIZER_MAX_INLINES; id = f->calls[id].parent) {
		struct unit_call *call = &f->calls[id];
		uint32_t function = function_of(r, e, call->die, &call->function, NULL, &at);

		/* Without a name a call cannot be shown; its caller's line is right anyway. */
		if (function != NAMES_NONE)
			frames[n++] = (struct names_frame){function, at.line};
		at = (struct position){call->line, file_string(r, e, u, call->file)};
	}
	if (id)
		r->answer->head.flags |= SYMBOLIZER_CUTS_INLINES;
	uint32_t outer = f ? function_of(
				     r, e, f->die, &f->function, r->request->symbols[address], &at)
			   : NAMES_NONE;

	if (outer == NAMES_NONE && (f || at.line))
		outer = symbol_function(r, address, &at);
	frames[n++] = (struct names_frame){outer, at.line};
	names_set(r->answer, r->request->asked[address], frames, n);
	return r->answer->failed;
}

/* ---- requests ------------------------------------------------------------------------------- */

/* The addresses that are in units, unit by unit: counted first, and then put where those of the
 * units before end. 0 or -ENOMEM. */
static int list_by_unit(const struct dwarf_units *units, const struct dwarf_request *q,
	struct unit_address *list, size_t *n)
{
	_cleanup_free_ uint32_t *found = calloc(q->n + 1, sizeof(*found)); /* unit + 1 */
	_cleanup_free_ uint32_t *ends = calloc(units->n + 1, sizeof(*ends));

	if (!found || !ends)
		return -ENOMEM;
	for (size_t i = 0; i < q->n; i++) {
		const struct unit_entry *e = dwarf_units_at(units, q->addresses[i]);

		if (!e)
			continue;
		found[i] = (uint32_t)(e - units->all) + 1;
		ends[found[i]]++;
	}
	for (size_t i = 1; i <= units->n; i++)
		ends[i] += ends[i - 1];
	*n = ends[units->n];
	for (size_t i = 0; i < q->n; i++)
		if (found[i])
			list[ends[found[i] - 1]++] = (struct unit_address){
				found[i] - 1, (uint32_t)i};
	return 0;
}

static int resolve_list(struct resolver *r, const struct unit_address *list, size_t n)
{
	int error = 0;

	for (size_t i = 0; !error && i < n; i++) {
		struct unit_entry *e = &r->index->units.all[list[i].unit];

		if (i && list[i].unit != list[i - 1].unit)
			give_back(r->index, r->answer);
		if (!e->index)
			error = build(r->index, e);
		if (!error)
			error = name_address(r, e, list[i].address);
	}
	return error;
}

int dwarf_index_resolve(
	struct dwarf_index *x, struct names *answer, const struct dwarf_request *request)
{
	struct resolver r = {x, answer, request};
	_cleanup_free_ struct unit_address *list = calloc(request->n + 1, sizeof(*list));
	size_t n_list;
	int error;

	if (!list)
		return -ENOMEM;
	answer->head.flags |= SYMBOLIZER_HAS_FILES | SYMBOLIZER_HAS_LINES | SYMBOLIZER_HAS_INLINES;
	x->answers++;
	x->heap_base = heap_used() - names_bytes(answer);
	error = list_by_unit(&x->units, request, list, &n_list);
	if (!error)
		error = resolve_list(&r, list, n_list);
	/* What it knows is not needed twice. */
	dwarf_source_close(&x->main);
	split_files_close(&x->splits);
	return error;
}

/* What units of split DWARF lack. 0 or -ENOMEM. */
static int look_at_splits(struct dwarf_index *x, size_t first, uint32_t *flags)
{
	struct dwarf_unit u;
	size_t looked = 0;
	int r = 0;

	for (size_t i = first; !r && i < x->units.n && looked < MAX_LOOKS; i++) {
		if (!is_split(&x->units.all[i]))
			continue;
		r = place_unit(x, &x->units.all[i], &u);
		*flags |= r ? 0 : what_it_lacks(&u);
		looked++;
	}
	forget(x);
	return r;
}

int dwarf_index_look(struct dwarf_index *x, uint64_t taken, uint32_t *flags)
{
	size_t i = 0;

	while (i < x->units.n && !is_split(&x->units.all[i]))
		i++;
	if (i == x->units.n)
		return 0;
	int r = split_files_look(&x->splits, taken, x->options.want, x->options.userdata);
	/* To unpack a package takes its time: it is believed to be whole. */
	return r ? r < 0 ? r : 0 : look_at_splits(x, i, flags);
}

int dwarf_index_new(struct dwarf_index **out, const struct dwarf_index_options *options)
{
	struct dwarf_index *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	x->options = *options;
	x->arena.file = options->scratch;
	x->reader.arena = x->splits.arena = &x->arena;
	r = dwarf_source_init(&x->main, options->elf, false);
	x->main.alternate = options->alternate;
	if (!r)
		r = dwarf_units_find(&x->units, &x->main.sections, dwarf_source_open(&x->main));
	if (!r && !x->units.n)
		r = -EBADMSG;
	if (r) {
		dwarf_index_free(x);
		return r;
	}
	*out = x;
	return 0;
}

void dwarf_index_free(struct dwarf_index *x)
{
	if (!x)
		return;
	forget(x);
	split_files_end(&x->splits);
	dies_close(&x->reader.dies);
	spans_free(&x->reader.spans);
	dwarf_units_free(&x->units);
	dwarf_source_close(&x->main);
	free(x);
}
