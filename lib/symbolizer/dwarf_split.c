// SPDX-License-Identifier: MIT
#include "symbolizer/dwarf_split.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper/protocol.h"
#include "symbolizer/inflate.h"
#include "symbols/debug_name.h"
#include "util/cleanup.h"

#define MAX_UNITS 10000 /* of one .dwo file: usually one, and type units */
/* When so many are missing, and none was found, the others are believed to be missing, too: each
 * that is asked for costs two questions. */
#define MAX_MISSES 16

/* A .dwo file, or the part of a .dwp file that was one. */
struct split_file {
	struct split_file *next;
	struct elf_file file;
	Elf *unpacked; /* of a file that is compressed */
	struct dwarf_member member;
	struct dwarf_source source;
};

static void free_file(struct split_file *f)
{
	dwarf_source_close(&f->source);
	elf_end(f->unpacked);
	elf_file_close(&f->file);
	dwarf_member_close(&f->member);
	free(f);
}

/* NULL if it is no .dwo file. */
static struct split_file *open_file(struct split_files *s, int fd)
{
	struct split_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	if (elf_file_open(&f->file, fd) || inflate_debug(&f->unpacked, &f->file, true, s->arena) ||
		dwarf_source_init(&f->source, f->unpacked ? f->unpacked : f->file.elf, true)) {
		free_file(f);
		return NULL;
	}
	return f;
}

static struct split_file *open_member(const struct dwarf_package *p, uint64_t id)
{
	struct split_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	if (dwarf_package_member(p, id, &f->member) ||
		dwarf_source_init(&f->source, f->member.elf, true)) {
		free_file(f);
		return NULL;
	}
	return f;
}

/* Without a base of its own, offsets of ranges count from behind the section's header. */
static uint64_t default_range_base(const struct die_unit *unit)
{
	return unit->offset_size == 8 ? 20 : 12;
}

/* Finds the unit with this id. */
static bool find_unit(
	struct split_file *f, uint64_t id, struct die_unit *where, struct unit_attributes *is)
{
	struct dies dies = {0};
	uint64_t offset = 0;
	bool found = false;
	uint8_t type;

	for (size_t i = 0; !found && i < MAX_UNITS; i++, offset = where->end) {
		unsigned tag;

		if (!unit_header(where, &type, &f->source.sections.info, offset))
			break;
		if (type != DW_UT_compile && type != DW_UT_split_compile)
			continue;
		found = !unit_open(is, &tag, &dies, where, &f->source.sections) &&
			is->split_id == id;
	}
	dies_close(&dies);
	return found;
}

/* ---- where it is ---------------------------------------------------------------------------- */

/* NULL: there is none that has the unit. */
static struct split_file *find_in_package(
	struct split_files *s, uint64_t id, debug_want want, void *userdata)
{
	if (!s->has_asked) {
		int fd = want(userdata, HELPER_PACKAGE);

		s->has_asked = true;
		if (fd >= 0)
			dwarf_package_open(&s->package, fd, s->arena->file);
	}
	return s->package.file.elf ? open_member(&s->package, id) : NULL;
}

static struct split_file *find_by_name(
	struct split_files *s, const char *name, debug_want want, void *userdata)
{
	_cleanup_close_ int fd = debug_name_is_good(name) ? want(userdata, name) : -1;

	return fd >= 0 ? open_file(s, fd) : NULL;
}

/* Where the compiler wrote it, and beside the program. */
static struct split_file *find_alone(
	struct split_files *s, const struct unit_attributes *is, debug_want want, void *userdata)
{
	const char *name = is->split_name, *slash = strrchr(name, '/');
	struct split_file *f = NULL;
	char path[HELPER_MAX_WANT + 1];
	int n = *name == '/'
			? snprintf(path, sizeof(path), "%s", name)
			: snprintf(path, sizeof(path), "%s/%s", is->folder ? is->folder : "", name);

	if (!s->found && s->missed >= MAX_MISSES)
		return NULL;
	if (n < (int)sizeof(path))
		f = find_by_name(s, path, want, userdata);
	if (!f)
		f = find_by_name(s, slash ? slash + 1 : name, want, userdata);
	s->found += f != NULL;
	s->missed += f == NULL;
	return f;
}

/* ---- units ---------------------------------------------------------------------------------- */

static void place(struct dwarf_unit *u, const struct unit_entry *e, struct split_file *f,
	const struct die_unit *where, struct unit_attributes *is)
{
	u->source = &f->source;
	u->where = *where;
	u->types_hold_code = true;
	/* Before DWARF 5 the lists stayed in the program. */
	if (where->version < 5)
		return;
	if (!is->range_base)
		is->range_base = default_range_base(where);
	is->place.low = e->is.place.low;
	u->lists = unit_ranges(where, is, &f->source.sections);
}

void split_files_place(struct split_files *s, struct dwarf_unit *u, const struct unit_entry *e,
	debug_want want, void *userdata)
{
	struct split_file *f = find_in_package(s, e->is.split_id, want, userdata);
	struct unit_attributes is;
	struct die_unit where;

	if (!f)
		f = find_alone(s, &e->is, want, userdata);
	if (f && find_unit(f, e->is.split_id, &where, &is)) {
		place(u, e, f, &where, &is);
		f->next = s->first;
		s->first = f;
	} else if (f) {
		free_file(f);
	}
}

void split_files_close(struct split_files *s)
{
	for (struct split_file *f = s->first; f; f = f->next)
		dwarf_source_close(&f->source);
}

void split_files_free(struct split_files *s)
{
	while (s->first) {
		struct split_file *f = s->first;

		s->first = f->next;
		free_file(f);
	}
}

void split_files_end(struct split_files *s)
{
	split_files_free(s);
	dwarf_package_close(&s->package);
}
