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

/* What the entries of a function say; NULL: nothing. */
struct said {
	const char *raw, *plain; /* the linkage name, and the one in the source */
	uint32_t start_line;
};

static void read_names(struct said *s, Dwarf_Die die)
{
	for (unsigned i = 0; i < MAX_ORIGINS; i++) {
		int line;

		if (!s->raw)
			s->raw = linkage_name(&die);
		if (!s->plain)
			s->plain = text_of(&die, DW_AT_name);
		if (!s->start_line && !dwarf_decl_line(&die, &line) && line > 0)
			s->start_line = (uint32_t)line;
		if ((s->raw && s->plain && s->start_line) || !to_origin(&die))
			return;
	}
}

/* ---- names ---------------------------------------------------------------------------------- */

struct text_key {
	const struct dwarf_functions *functions;
	struct dwarf_text text;
};

static bool same_text(const void *userdata, uint32_t number)
{
	const struct text_key *key = userdata;
	const struct dwarf_text *have = &key->functions->texts[number - 1];

	return have->length == key->text.length &&
	       !memcmp(have->text, key->text.text, have->length);
}

/* The number of a text; with an arena, that of a copy there. 0 without memory. */
static uint32_t text_number(
	struct dwarf_functions *f, struct arena *arena, const char *text, uint32_t length)
{
	struct text_key key = {f, {.text = text, .length = length}};
	uint32_t number;

	key.text.hash = hash_bytes(text, length);
	number = intern_find(&f->text_index, key.text.hash, same_text, &key);
	if (number || grow(f->texts, f->n_texts, f->texts_capacity, 1))
		return number;
	if (arena)
		key.text.text = arena_copy(arena, text, length + (size_t)1, 1);
	if (!key.text.text || intern_add(&f->text_index, key.text.hash, (uint32_t)f->n_texts + 1))
		return 0;
	f->texts[f->n_texts++] = key.text;
	return (uint32_t)f->n_texts;
}

static uint32_t number_of(struct dwarf_functions *f, const char *text)
{
	return text_number(f, NULL, text, (uint32_t)strnlen(text, SYMBOLIZER_MAX_NAME));
}

/* The number of what a linkage name is read as: its own, if of nothing else. 0 without memory. */
static uint32_t readable_number(struct dwarf_functions *f, struct arena *arena, uint32_t raw)
{
	uint32_t number = f->texts[raw - 1].readable;
	struct demangled readable;

	if (number)
		return number;
	number = raw;
	if (demangle(&readable, f->texts[raw - 1].text)) {
		number = text_number(f, arena, readable.text, (uint32_t)readable.length);
		demangled_free(&readable);
	}
	f->texts[raw - 1].readable = number;
	return number;
}

/* False without memory. */
static bool make_names(struct dwarf_functions *f, struct arena *arena, struct dwarf_function *to,
	const struct said *s)
{
	if (s->raw) {
		to->raw = number_of(f, s->raw);
		to->name = to->raw ? readable_number(f, arena, to->raw) : 0;
		if (!to->name)
			return false;
	}
	if (!s->plain || (to->name != to->raw))
		return true;
	to->name = number_of(f, s->plain);
	return to->name != 0;
}

/* ---- functions ------------------------------------------------------------------------------ */

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
	struct said said = {0};
	Dwarf_Die at;

	if (id)
		return id;
	if (grow(f->all, f->n, f->capacity, 1) || !find_die(source, die, &at))
		return 0;
	read_names(&said, at);
	found.start_line = said.start_line;
	if (!make_names(f, arena, &found, &said) || intern_add(&f->index, hash, (uint32_t)f->n + 1))
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
	free(f->texts);
	intern_free(&f->index);
	intern_free(&f->text_index);
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
