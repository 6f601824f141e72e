// SPDX-License-Identifier: MIT
#include "symbolizer/dwarf_split.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define MAX_UNITS 10000 /* of one .dwo file: usually one, and type units */

struct split_file {
	struct split_file *next;
	struct elf_file file;
	struct dwarf_source source;
};

static void free_file(struct split_file *f)
{
	dwarf_source_close(&f->source);
	elf_file_close(&f->file);
	free(f);
}

/* Opens it; NULL if it is no .dwo file. */
static struct split_file *open_file(int fd)
{
	struct split_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	if (elf_file_open(&f->file, fd) || dwarf_source_init(&f->source, f->file.elf, true)) {
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

void split_files_place(struct split_files *s, struct dwarf_unit *u, const struct unit_entry *e,
	debug_want want, void *userdata)
{
	const char *slash = strrchr(e->is.split_name, '/');
	const char *name = slash ? slash + 1 : e->is.split_name;
	_cleanup_close_ int fd = elf_file_is_base_name(name) ? want(userdata, name) : -1;
	struct split_file *f = fd >= 0 ? open_file(fd) : NULL;
	struct unit_attributes is;
	struct die_unit where;

	if (f && find_unit(f, e->is.split_id, &where, &is)) {
		u->source = &f->source;
		u->where = where;
		u->types_hold_code = true;
		/* Before DWARF 5 the lists stayed in the program. */
		if (where.version >= 5) {
			if (!is.range_base)
				is.range_base = default_range_base(&where);
			is.place.low = e->is.place.low;
			u->lists = unit_ranges(&where, &is, &f->source.sections);
		}
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
