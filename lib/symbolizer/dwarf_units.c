// SPDX-License-Identifier: MIT
#include "symbolizer/dwarf_units.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/grow.h"

/* More units than any program has; a chain of empty ones costs 11 bytes each. */
#define MAX_UNITS 2000000

/* ---- one unit ------------------------------------------------------------------------------- */

/* DWARF 5, section 7.5.1; before, there were no kinds of units in .debug_info. */
bool unit_header(
	struct die_unit *unit, uint8_t *type, const struct section_bytes *info, uint64_t offset)
{
	struct reader r;
	uint64_t length;

	if (!info->bytes || offset >= info->size)
		return false;
	r = reader_of(info->bytes + offset, info->size - offset);
	*unit = (struct die_unit){.offset = offset, .offset_size = 4};
	*type = DW_UT_compile;
	length = read_number(&r, 4);
	if (length == UINT32_MAX) {
		unit->offset_size = 8;
		length = read_number(&r, 8);
	}
	if (r.failed || length > reader_left(&r))
		return false;
	unit->end = (uint64_t)(r.at - info->bytes) + length;
	unit->version = (uint16_t)read_number(&r, 2);
	if (unit->version >= 5) {
		*type = read_byte(&r);
		unit->address_size = read_byte(&r);
		unit->abbreviations = read_number(&r, unit->offset_size);
		if (*type == DW_UT_skeleton || *type == DW_UT_split_compile)
			unit->split_id = read_number(&r, 8);
	} else {
		unit->abbreviations = read_number(&r, unit->offset_size);
		unit->address_size = read_byte(&r);
	}
	unit->first = (uint64_t)(r.at - info->bytes);
	return !r.failed && unit->first <= unit->end;
}

struct taker {
	struct unit_attributes *is;
	const struct dwarf_sections *sections;
	const struct die_unit *unit;
	struct die_attribute folder, split_name; /* texts that need what comes after them */
	struct die_value folder_value, split_value;
};

static void take(void *userdata, const struct die_attribute *a, const struct die_value *v)
{
	struct taker *t = userdata;

	switch (a->name) {
	case DW_AT_comp_dir:
		t->folder = *a;
		t->folder_value = *v;
		break;
	case DW_AT_dwo_name:
	case DW_AT_GNU_dwo_name:
		t->split_name = *a;
		t->split_value = *v;
		break;
	case DW_AT_GNU_dwo_id:
		t->is->split_id = v->number;
		break;
	case DW_AT_language:
		t->is->language = (uint32_t)v->number;
		break;
	case DW_AT_stmt_list:
		t->is->lines = v->number;
		t->is->has_lines = v->is_number;
		break;
	case DW_AT_addr_base:
	case DW_AT_GNU_addr_base:
		t->is->addr_base = v->number;
		break;
	case DW_AT_rnglists_base:
	case DW_AT_GNU_ranges_base:
		t->is->range_base = v->number;
		break;
	case DW_AT_str_offsets_base:
		t->is->str_offsets_base = v->number;
		break;
	default:
		break;
	}
}

static const char *indexed_text(const struct taker *t, uint64_t index)
{
	const struct section_bytes *offsets = &t->sections->str_offsets;
	size_t size = t->unit->offset_size;
	struct reader r;

	if (!offsets->bytes || t->is->str_offsets_base > offsets->size ||
		index >= (offsets->size - t->is->str_offsets_base) / size)
		return NULL;
	r = reader_of(offsets->bytes + t->is->str_offsets_base + index * size, size);
	return section_text(&t->sections->str, read_number(&r, size));
}

static const char *text_of(
	const struct taker *t, const struct die_attribute *a, const struct die_value *v)
{
	switch (a->form) {
	case DW_FORM_string:
		return section_text(
			&t->sections->info, (uint64_t)(v->at - t->sections->info.bytes));
	case DW_FORM_strp:
		return section_text(&t->sections->str, v->number);
	case DW_FORM_line_strp:
		return section_text(&t->sections->line_str, v->number);
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
	case DW_FORM_GNU_str_index:
		return indexed_text(t, v->number);
	default:
		return NULL;
	}
}

struct section_bytes unit_addresses(
	const struct unit_attributes *is, const struct dwarf_sections *sections)
{
	const struct section_bytes *addr = &sections->addr;

	if (!addr->bytes || is->addr_base > addr->size)
		return (struct section_bytes){0};
	return (struct section_bytes){addr->bytes + is->addr_base, addr->size - is->addr_base};
}

struct range_lists unit_ranges(const struct die_unit *unit, const struct unit_attributes *is,
	const struct dwarf_sections *sections)
{
	const struct section_bytes *lists = unit->version >= 5 ? &sections->rnglists
							       : &sections->ranges;

	return (struct range_lists){lists->bytes, lists->size, is->range_base, is->place.low};
}

int unit_open(struct unit_attributes *is, unsigned *tag, struct dies *dies,
	const struct die_unit *unit, const struct dwarf_sections *sections)
{
	struct taker t = {.is = is, .sections = sections, .unit = unit};
	struct section_bytes addresses;
	int r = dies_open(
		dies, sections->info.bytes, unit, sections->abbrev.bytes, sections->abbrev.size);

	*is = (struct unit_attributes){.split_id = unit->split_id};
	if (r)
		return r;
	*tag = dies_attributes(dies, take, &t);
	is->folder = text_of(&t, &t.folder, &t.folder_value);
	is->split_name = text_of(&t, &t.split_name, &t.split_value);
	addresses = unit_addresses(is, sections);
	dies->addresses = addresses.bytes;
	dies->addresses_size = addresses.size;
	/* Once more, now that addresses can be read. */
	if (!*tag || !dies_seek(dies, unit->first) || !dies_next(dies, &is->place))
		return -EBADMSG;
	return 0;
}

/* ---- all units ------------------------------------------------------------------------------ */

struct finder {
	struct dwarf_units *units;
	const struct dwarf_sections *sections;
	struct dies dies;
	struct spans spans;
	bool incomplete; /* a unit does not say where its code is */
};

/* DWARF 2 has no lists of ranges: where a unit has code in several sections, as of cold paths, it
 * names one of them. That of assemblers, which is common still, is whole. */
static bool may_have_more(const struct unit_entry *e)
{
	return e->where.version < 3 && !e->is.place.has_ranges &&
	       e->is.language != DW_LANG_Mips_Assembler;
}

static int add_ranges(struct finder *f, const struct unit_entry *e, uint32_t id)
{
	struct range_lists lists = unit_ranges(&e->where, &e->is, f->sections);
	struct die_ranges ranges;
	uint64_t low, high;
	bool any = false;
	int r = 0;

	/* GNU's base is for the entries in the .dwo file, not for the unit's own. */
	if (e->where.version < 5)
		lists.offsets = 0;
	die_ranges_open(&ranges, &f->dies, &lists, &e->is.place);
	while (!r && die_ranges_next(&ranges, &low, &high)) {
		any = true;
		/* Code that the linker dropped keeps its DWARF, with addresses from 0 on. */
		if (low)
			r = spans_add(&f->spans, low, high, id, SPANS_ANY);
	}
	f->incomplete |= !any || may_have_more(e);
	return r;
}

static int add_unit(struct finder *f, const struct die_unit *where)
{
	struct dwarf_units *u = f->units;
	struct unit_entry e = {.where = *where};
	unsigned tag;
	int r = unit_open(&e.is, &tag, &f->dies, where, f->sections);

	if (r == -ENOMEM)
		return r;
	if (r || (tag != DW_TAG_compile_unit && tag != DW_TAG_skeleton_unit))
		return 0;
	r = grow(u->all, u->n, u->capacity, 1);
	if (r)
		return r;
	u->all[u->n++] = e;
	return add_ranges(f, &e, (uint32_t)u->n);
}

static int add_all(struct finder *f)
{
	struct die_unit unit;
	uint64_t offset = 0;
	uint8_t type;
	int r = 0;

	for (size_t i = 0; !r && i < MAX_UNITS; i++, offset = unit.end) {
		if (!unit_header(&unit, &type, &f->sections->info, offset))
			break;
		if (type == DW_UT_compile || type == DW_UT_skeleton)
			r = add_unit(f, &unit);
	}
	return r;
}

static int compare_offsets(const void *key, const void *entry)
{
	uint64_t offset = *(const uint64_t *)key;
	const struct unit_entry *e = entry;

	return (offset > e->where.first) - (offset < e->where.first);
}

/* For units that do not say themselves, or not all. */
static int by_aranges(struct finder *f, Dwarf *dwarf)
{
	struct dwarf_units *u = f->units;
	Dwarf_Aranges *aranges;
	size_t n;
	int r = 0;

	if (!dwarf || !u->n || dwarf_getaranges(dwarf, &aranges, &n))
		return 0;
	for (size_t i = 0; !r && i < n; i++) {
		Dwarf_Arange *arange = dwarf_onearange(aranges, i);
		struct unit_entry *e;
		Dwarf_Addr low;
		Dwarf_Word length;
		Dwarf_Off die;

		if (!arange || dwarf_getarangeinfo(arange, &low, &length, &die) || !low)
			continue;
		e = bsearch(&die, u->all, u->n, sizeof(*u->all), compare_offsets);
		if (e && (may_have_more(e) ||
				 (!e->is.place.has_ranges && e->is.place.low >= e->is.place.high)))
			r = spans_add(&f->spans, low, low + length, (uint32_t)(e - u->all) + 1,
				SPANS_ANY);
	}
	return r;
}

int dwarf_units_find(struct dwarf_units *u, const struct dwarf_sections *sections, Dwarf *dwarf)
{
	struct finder f = {.units = u, .sections = sections};
	int r;

	*u = (struct dwarf_units){0};
	r = add_all(&f);
	if (!r && f.incomplete)
		r = by_aranges(&f, dwarf);
	if (!r)
		r = spans_flatten(&f.spans, &u->boundaries, &u->n_boundaries);
	u->base = f.spans.base;
	dies_close(&f.dies);
	spans_free(&f.spans);
	return r;
}

void dwarf_units_free(struct dwarf_units *u)
{
	free(u->all);
	free(u->boundaries);
	*u = (struct dwarf_units){0};
}

struct unit_entry *dwarf_units_at(const struct dwarf_units *u, uint64_t address)
{
	uint32_t id = boundaries_find(u->boundaries, u->n_boundaries, u->base, address);

	return id ? &u->all[id - 1] : NULL;
}
