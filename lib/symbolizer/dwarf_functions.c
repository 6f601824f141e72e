// SPDX-License-Identifier: MIT
#include "symbolizer/dwarf_functions.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "symbolizer/demangle.h"
#include "util/grow.h"
#include "util/hash.h"

/* Origins of origins: an inlined constructor has three. */
#define MAX_ORIGINS 16

static const char *linkage_name(Dwarf_Die *die)
{
	static const unsigned names[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name};
	Dwarf_Attribute attribute;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *text = dwarf_formstring(dwarf_attr(die, names[i], &attribute));

		if (text && *text)
			return text;
	}
	return NULL;
}

static const char *text_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;

	return dwarf_formstring(dwarf_attr(die, name, &attribute));
}

/* Moves to what the DIE is an instance of, or completes. */
static bool to_origin(Dwarf_Die *die)
{
	static const unsigned names[] = {DW_AT_abstract_origin, DW_AT_specification};
	Dwarf_Attribute attribute;
	Dwarf_Die origin;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (dwarf_attr(die, names[i], &attribute) &&
			dwarf_formref_die(&attribute, &origin)) {
			*die = origin;
			return true;
		}
	}
	return false;
}

static bool find_die(struct dwarf_source *source, uint64_t offset, Dwarf_Die *die)
{
	Dwarf *dwarf = dwarf_source_open(source);

	return dwarf && dwarf_offdie(dwarf, offset, die);
}

static void read_names(struct dwarf_function *f, Dwarf_Die die)
{
	for (unsigned i = 0; i < MAX_ORIGINS; i++) {
		int line;

		if (!f->raw)
			f->raw = linkage_name(&die);
		if (!f->plain)
			f->plain = text_of(&die, DW_AT_name);
		if (!f->start_line && !dwarf_decl_line(&die, &line) && line > 0)
			f->start_line = (uint32_t)line;
		if ((f->raw && f->plain && f->start_line) || !to_origin(&die))
			return;
	}
}

/* As much of it as is ever used. */
static uint32_t length_of(const char *text)
{
	return text ? (uint32_t)strnlen(text, SYMBOLIZER_MAX_NAME) : 0;
}

/* False without memory. */
static bool make_name(struct dwarf_function *f, struct arena *arena)
{
	struct demangled readable;

	f->name = f->plain ? f->plain : f->raw;
	if (f->raw && demangle(&readable, f->raw)) {
		f->name = arena_copy(arena, readable.text, readable.length + 1, 1);
		demangled_free(&readable);
		if (!f->name)
			return false;
	}
	f->name_length = length_of(f->name);
	f->raw_length = length_of(f->raw);
	return true;
}

struct key {
	const struct dwarf_functions *functions;
	const struct dwarf_source *source;
	uint64_t die;
};

static bool same(const void *userdata, uint32_t id)
{
	const struct key *key = userdata;
	const struct dwarf_function *f = &key->functions->all[id - 1];

	return f->die == key->die && f->source == key->source;
}

static uint32_t find_or_add(
	struct dwarf_functions *f, struct arena *arena, struct dwarf_source *source, uint64_t die)
{
	struct key key = {f, source, die};
	uint64_t hash = hash_bytes(&die, sizeof(die)) ^ (uintptr_t)source;
	uint32_t id = intern_find(&f->index, hash, same, &key);
	struct dwarf_function found = {.source = source, .die = die};
	Dwarf_Die at;

	if (id)
		return id;
	if (grow(f->all, f->n, f->capacity, 1) || !find_die(source, die, &at))
		return 0;
	read_names(&found, at);
	if (!make_name(&found, arena) || intern_add(&f->index, hash, (uint32_t)f->n + 1))
		return 0;
	f->all[f->n++] = found;
	return (uint32_t)f->n;
}

struct dwarf_function *dwarf_functions_get(struct dwarf_functions *f, struct arena *arena,
	struct dwarf_source *source, uint64_t die, uint32_t *number)
{
	if (!*number)
		*number = find_or_add(f, arena, source, die);
	return *number ? &f->all[*number - 1] : NULL;
}

void dwarf_functions_free(struct dwarf_functions *f)
{
	free(f->all);
	intern_free(&f->index);
	*f = (struct dwarf_functions){0};
}

bool dwarf_function_declaration(
	struct dwarf_source *source, uint64_t die, struct dwarf_declaration *out)
{
	Dwarf_Attribute attribute;
	Dwarf_Word file;

	if (!find_die(source, die, &out->at))
		return false;
	for (unsigned i = 0; !dwarf_attr(&out->at, DW_AT_decl_file, &attribute); i++)
		if (i == MAX_ORIGINS || !to_origin(&out->at))
			return false;
	if (dwarf_formudata(&attribute, &file))
		return false;
	out->die = dwarf_cu_getdwarf(out->at.cu) == source->dwarf ? dwarf_dieoffset(&out->at)
								  : UINT64_MAX;
	out->file = file;
	return true;
}

/* dwarf_decl_file() does not know that clang's file 0 of DWARF 5 is a file. */
const char *dwarf_declaration_file(const struct dwarf_declaration *d)
{
	Dwarf_Die die = d->at, unit;
	Dwarf_Files *files;
	size_t n;

	if (!dwarf_diecu(&die, &unit, NULL, NULL) || dwarf_getsrcfiles(&unit, &files, &n) ||
		d->file >= n)
		return NULL;
	return dwarf_filesrc(files, d->file, NULL, NULL);
}

const char *dwarf_declaration_folder(const struct dwarf_declaration *d)
{
	Dwarf_Die die = d->at, unit;

	return dwarf_diecu(&die, &unit, NULL, NULL) ? text_of(&unit, DW_AT_comp_dir) : NULL;
}
