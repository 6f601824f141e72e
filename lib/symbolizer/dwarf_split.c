// SPDX-License-Identifier: MIT
#include "symbolizer/dwarf_split.h"

#include <dwarf.h>
#include <errno.h>
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

/* 0; -ENOMEM, -ENOTSUP as inflate_debug; another -errno: it is no .dwo file. */
static int open_file(struct split_files *s, struct split_file **out, int fd)
{
	struct split_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	r = elf_file_open(&f->file, fd);
	if (!r)
		r = inflate_debug(&f->unpacked, &f->file, true, s->arena);
	if (!r)
		r = dwarf_source_init(&f->source, f->unpacked ? f->unpacked : f->file.elf, true);
	if (r)
		free_file(f);
	else
		*out = f;
	return r;
}

static int open_member(const struct dwarf_package *p, struct split_file **out, uint64_t id)
{
	struct split_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	r = dwarf_package_member(p, id, &f->member);
	if (!r)
		r = dwarf_source_init(&f->source, f->member.elf, true);
	if (r)
		free_file(f);
	else
		*out = f;
	return r;
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

/* Only -ENOMEM is an error: of what cannot be read, another file may have the unit. */
static int note(struct split_files *s, int r)
{
	if (r == -ENOMEM)
		return r;
	if (r && r != -ENOENT)
		s->error = r == -ENOTSUP ? r : -EBADMSG;
	return 0;
}

/* Without room now, there may be some when it is asked for again. */
static int open_package(struct split_files *s, debug_want want, void *userdata)
{
	int fd = want(userdata, HELPER_PACKAGE);
	int r = fd >= 0 ? dwarf_package_open(&s->package, fd, s->arena->file) : 0;

	s->has_asked = r != -ENOMEM;
	return note(s, r);
}

int split_files_look(const struct split_files *s, uint64_t taken, debug_want want, void *userdata)
{
	struct scratch_file *scratch = s->arena->file;
	_cleanup_close_ int fd = s->has_asked || !scratch ? -1 : want(userdata, HELPER_PACKAGE);
	struct elf_file f = {0};
	uint64_t size = fd >= 0 && !elf_file_open(&f, fd) ? inflate_size(&f, true) : 0;

	elf_file_close(&f);
	if (!size)
		return 0;
	if (taken <= scratch->size && size <= scratch->size - taken)
		return 1;
	scratch->lacked = true;
	return -ENOMEM;
}

/* *out stays NULL if there is none that has the unit. */
static int find_in_package(struct split_files *s, struct split_file **out, uint64_t id,
	debug_want want, void *userdata)
{
	int r = s->has_asked ? 0 : open_package(s, want, userdata);

	if (!r && s->package.file.elf)
		r = note(s, open_member(&s->package, out, id));
	return r;
}

static int find_by_name(struct split_files *s, struct split_file **out, const char *name,
	debug_want want, void *userdata)
{
	_cleanup_close_ int fd = debug_name_is_good(name) ? want(userdata, name) : -1;

	return fd >= 0 ? note(s, open_file(s, out, fd)) : 0;
}

/* Where the compiler wrote it, and beside the program. */
static int find_alone(struct split_files *s, struct split_file **out,
	const struct unit_attributes *is, debug_want want, void *userdata)
{
	const char *name = is->split_name, *slash = strrchr(name, '/');
	char path[HELPER_MAX_WANT + 1];
	int r = 0;
	int n = *name == '/'
			? snprintf(path, sizeof(path), "%s", name)
			: snprintf(path, sizeof(path), "%s/%s", is->folder ? is->folder : "", name);

	if (!s->found && s->missed >= MAX_MISSES)
		return 0;
	if (n < (int)sizeof(path)) {
		debug_name_fold(path);
		r = find_by_name(s, out, path, want, userdata);
	}
	if (!r && !*out)
		r = find_by_name(s, out, slash ? slash + 1 : name, want, userdata);
	if (r)
		return r;
	s->found += *out != NULL;
	s->missed += *out == NULL;
	return 0;
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

int split_files_place(struct split_files *s, struct dwarf_unit *u, const struct unit_entry *e,
	debug_want want, void *userdata)
{
	struct split_file *f = NULL;
	struct unit_attributes is;
	struct die_unit where;
	int r = find_in_package(s, &f, e->is.split_id, want, userdata);

	if (!r && !f)
		r = find_alone(s, &f, &e->is, want, userdata);
	if (r || !f)
		return r ? r : s->error;
	if (!find_unit(f, e->is.split_id, &where, &is)) {
		free_file(f);
		return s->error;
	}
	place(u, e, f, &where, &is);
	f->next = s->first;
	s->first = f;
	return 0;
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
