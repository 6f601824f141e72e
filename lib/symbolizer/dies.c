// SPDX-License-Identifier: MIT
#include "symbolizer/dies.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

#include "util/grow.h"

/* Producers make some hundreds for a unit, of some dozen attributes. */
#define MAX_ABBREVIATIONS 100000
#define MAX_ATTRIBUTES	  1000000

/* ---- forms ---------------------------------------------------------------------------------- */

/* Bytes of a value; DIES_VARIABLE where they vary. */
static uint32_t form_size(const struct die_unit *unit, unsigned form)
{
	switch (form) {
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return 0;
	case DW_FORM_data1:
	case DW_FORM_ref1:
	case DW_FORM_flag:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return 1;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return 2;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return 3;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
	case DW_FORM_ref_sup4:
		return 4;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		return 8;
	case DW_FORM_data16:
		return 16;
	case DW_FORM_addr:
		return unit->address_size;
	case DW_FORM_ref_addr:
		return unit->version <= 2 ? unit->address_size : unit->offset_size;
	case DW_FORM_strp:
	case DW_FORM_sec_offset:
	case DW_FORM_line_strp:
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		return unit->offset_size;
	default:
		return DIES_VARIABLE;
	}
}

static void skip_string(struct reader *r)
{
	const uint8_t *nul = memchr(r->at, 0, reader_left(r));

	read_bytes(r, nul ? (uint64_t)(nul - r->at) + 1 : UINT64_MAX);
}

/* Skips a value whose size varies. */
static void skip_variable(struct reader *r, unsigned form)
{
	switch (form) {
	case DW_FORM_sdata:
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		read_uleb(r);
		return;
	case DW_FORM_string:
		skip_string(r);
		return;
	case DW_FORM_block:
	case DW_FORM_exprloc:
		read_bytes(r, read_uleb(r));
		return;
	case DW_FORM_block1:
		read_bytes(r, read_number(r, 1));
		return;
	case DW_FORM_block2:
		read_bytes(r, read_number(r, 2));
		return;
	case DW_FORM_block4:
		read_bytes(r, read_number(r, 4));
		return;
	default:
		r->failed = true;
	}
}

static void skip_value(struct dies *d, const struct die_attribute *a)
{
	unsigned form = a->form;
	uint32_t size = a->size;

	if (form == DW_FORM_indirect) {
		form = (unsigned)read_uleb(&d->at);
		size = form_size(&d->unit, form);
	}
	if (size == DIES_VARIABLE)
		skip_variable(&d->at, form);
	else
		read_bytes(&d->at, size);
}

static bool is_index(unsigned form)
{
	switch (form) {
	case DW_FORM_addrx:
	case DW_FORM_addrx1:
	case DW_FORM_addrx2:
	case DW_FORM_addrx3:
	case DW_FORM_addrx4:
	case DW_FORM_GNU_addr_index:
		return true;
	default:
		return false;
	}
}

/* Reads a number, an offset or a reference. False for what is none. */
static bool read_value(struct dies *d, const struct die_attribute *a, uint64_t *value)
{
	switch (a->form) {
	case DW_FORM_implicit_const:
		*value = (uint64_t)a->constant;
		return true;
	case DW_FORM_sdata:
		*value = (uint64_t)read_sleb(&d->at);
		return true;
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_rnglistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		*value = read_uleb(&d->at);
		return true;
	default:
		if (!a->size || a->size > 8) {
			skip_value(d, a);
			return false;
		}
		*value = read_number(&d->at, a->size);
		return true;
	}
}

/* ---- abbreviations -------------------------------------------------------------------------- */

static bool is_scope(unsigned tag)
{
	return tag == DW_TAG_compile_unit || tag == DW_TAG_skeleton_unit ||
	       tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine ||
	       tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
	       tag == DW_TAG_catch_block || tag == DW_TAG_with_stmt;
}

static int read_attributes(struct dies *d, struct reader *r, struct die_abbreviation *to)
{
	for (;;) {
		struct die_attribute a = {.name = (uint16_t)read_uleb(r)};
		int error;

		a.form = (uint16_t)read_uleb(r); /* initializers have no order */
		if (a.form == DW_FORM_implicit_const)
			a.constant = read_sleb(r);
		if (r->failed || (!a.name && !a.form))
			return r->failed ? -EBADMSG : 0;
		if (d->n_attributes == MAX_ATTRIBUTES)
			return -E2BIG;
		error = grow(d->attributes, d->n_attributes, d->attributes_capacity, 1);
		if (error)
			return error;
		a.size = form_size(&d->unit, a.form);
		d->attributes[d->n_attributes++] = a;
		if (a.name == DW_AT_sibling) {
			to->sibling = to->count;
			to->sibling_at = to->size;
		}
		to->count++;
		if (a.size == DIES_VARIABLE || to->size == DIES_VARIABLE)
			to->size = DIES_VARIABLE;
		else
			to->size += a.size;
	}
}

static int compare_codes(const void *a, const void *b)
{
	const struct die_abbreviation *x = a, *y = b;

	return (x->code > y->code) - (x->code < y->code);
}

static int read_abbreviations(struct dies *d, struct reader *r)
{
	bool sorted = true;

	d->n_abbreviations = d->n_attributes = 0;
	for (;;) {
		struct die_abbreviation one = {
			.code = read_uleb(r),
			.first = (uint32_t)d->n_attributes,
			.sibling_at = DIES_VARIABLE,
		};
		int error;

		if (r->failed || !one.code)
			break;
		one.tag = (uint16_t)read_uleb(r);
		one.has_children = read_byte(r) != 0;
		one.is_scope = is_scope(one.tag);
		error = read_attributes(d, r, &one);
		if (!error && d->n_abbreviations == MAX_ABBREVIATIONS)
			error = -E2BIG;
		if (!error)
			error = grow(
				d->abbreviations, d->n_abbreviations, d->abbreviations_capacity, 1);
		if (error)
			return error;
		sorted &= !d->n_abbreviations ||
			  d->abbreviations[d->n_abbreviations - 1].code < one.code;
		d->abbreviations[d->n_abbreviations++] = one;
	}
	if (!d->n_abbreviations)
		return -EBADMSG;
	if (!sorted)
		qsort(d->abbreviations, d->n_abbreviations, sizeof(*d->abbreviations),
			compare_codes);
	return 0;
}

static const struct die_abbreviation *find_abbreviation(const struct dies *d, uint64_t code)
{
	struct die_abbreviation key = {.code = code};

	/* Producers count from 1. */
	if (code && code <= d->n_abbreviations && d->abbreviations[code - 1].code == code)
		return &d->abbreviations[code - 1];
	return bsearch(&key, d->abbreviations, d->n_abbreviations, sizeof(key), compare_codes);
}

int dies_open(struct dies *d, const uint8_t *info, const struct die_unit *unit,
	const uint8_t *abbrev, size_t abbrev_size)
{
	struct reader r;

	d->info = info;
	d->unit = *unit;
	d->addresses = NULL;
	d->addresses_size = 0;
	if (!info || !abbrev || (unit->address_size != 4 && unit->address_size != 8) ||
		(unit->offset_size != 4 && unit->offset_size != 8) || unit->first > unit->end ||
		unit->abbreviations > abbrev_size)
		return -EBADMSG;
	d->at = reader_of(info + unit->first, unit->end - unit->first);
	r = reader_of(abbrev + unit->abbreviations, abbrev_size - unit->abbreviations);
	return read_abbreviations(d, &r);
}

void dies_close(struct dies *d)
{
	free(d->abbreviations);
	free(d->attributes);
	*d = (struct dies){0};
}

/* ---- DIEs ----------------------------------------------------------------------------------- */

/* What the values of a DIE's place are, in any order. */
struct values {
	uint64_t low, high;
	bool has_low, has_high;
	bool high_is_length;
};

bool dies_address(const struct dies *d, uint64_t index, uint64_t *address)
{
	size_t size = d->unit.address_size;
	struct reader r;

	if (index >= d->addresses_size / size)
		return false;
	r = reader_of(d->addresses + index * size, size);
	*address = read_number(&r, size);
	return true;
}

static void take_address(struct dies *d, const struct die_attribute *a, struct values *v)
{
	uint64_t value;
	bool ok = read_value(d, a, &value);

	if (ok && is_index(a->form))
		ok = dies_address(d, value, &value);
	if (!ok)
		return;
	if (a->name == DW_AT_low_pc) {
		v->low = value;
		v->has_low = true;
	} else {
		v->high = value;
		v->has_high = true;
		v->high_is_length = a->form != DW_FORM_addr && !is_index(a->form);
	}
}

/* An offset in .debug_info; 0: it leads elsewhere, or nowhere. */
static uint64_t take_reference(struct dies *d, const struct die_attribute *a)
{
	uint64_t value;

	if (!read_value(d, a, &value))
		return 0;
	switch (a->form) {
	case DW_FORM_ref_addr:
		return value;
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
	case DW_FORM_ref_udata:
		return value < d->unit.end - d->unit.offset ? d->unit.offset + value : 0;
	default:
		return 0;
	}
}

static uint32_t take_number(struct dies *d, const struct die_attribute *a)
{
	uint64_t value;

	return read_value(d, a, &value) && value <= INT32_MAX ? (uint32_t)value : 0;
}

static void take(struct dies *d, const struct die_attribute *a, struct die *die, struct values *v)
{
	switch (a->name) {
	case DW_AT_low_pc:
	case DW_AT_high_pc:
		take_address(d, a, v);
		break;
	case DW_AT_ranges:
		die->ranges_indexed = a->form == DW_FORM_rnglistx;
		die->has_ranges = read_value(d, a, &die->ranges);
		break;
	case DW_AT_abstract_origin:
		die->origin = take_reference(d, a);
		break;
	case DW_AT_sibling:
		die->sibling = take_reference(d, a);
		break;
	case DW_AT_call_line:
		die->call_line = take_number(d, a);
		break;
	case DW_AT_call_file:
		die->call_file = take_number(d, a);
		break;
	default:
		skip_value(d, a);
	}
}

static void read_scope(struct dies *d, const struct die_abbreviation *as, struct die *die)
{
	struct values v = {0};

	for (uint32_t i = 0; i < as->count; i++)
		take(d, &d->attributes[as->first + i], die, &v);
	die->low = die->high = v.low;
	if (!v.has_low || !v.has_high)
		return;
	die->high = v.high_is_length ? v.low + v.high : v.high;
	if (die->high < die->low)
		die->high = die->low;
}

/* Only where its children end matters. */
static void pass_over(struct dies *d, const struct die_abbreviation *as, struct die *die)
{
	const struct die_attribute *all;
	const uint8_t *values = d->at.at;

	if (!as->count)
		return;
	all = d->attributes + as->first;
	if (as->size != DIES_VARIABLE) {
		if (!read_bytes(&d->at, as->size) || as->sibling_at == DIES_VARIABLE)
			return;
		d->at.at = values + as->sibling_at;
		die->sibling = take_reference(d, &all[as->sibling]);
		d->at.at = values + as->size;
		return;
	}
	for (uint32_t i = 0; i < as->count; i++) {
		if (all[i].name == DW_AT_sibling)
			die->sibling = take_reference(d, &all[i]);
		else
			skip_value(d, &all[i]);
	}
}

bool dies_seek(struct dies *d, uint64_t offset)
{
	if (offset < d->unit.first || offset >= d->unit.end)
		return false;
	d->at = reader_of(d->info + offset, d->unit.end - offset);
	return true;
}

bool dies_next(struct dies *d, struct die *die)
{
	const struct die_abbreviation *as;
	uint64_t code;

	if (!reader_left(&d->at))
		return false;
	*die = (struct die){.offset = (uint64_t)(d->at.at - d->info)};
	code = read_uleb(&d->at);
	if (!code)
		return !d->at.failed;
	as = find_abbreviation(d, code);
	if (!as)
		return false;
	die->tag = as->tag;
	die->has_children = as->has_children;
	if (as->is_scope)
		read_scope(d, as, die);
	else
		pass_over(d, as, die);
	return !d->at.failed;
}

unsigned dies_attributes(struct dies *d, die_take take_value, void *userdata)
{
	const struct die_abbreviation *as = find_abbreviation(d, read_uleb(&d->at));

	if (!as)
		return 0;
	for (uint32_t i = 0; i < as->count; i++) {
		const struct die_attribute *a = &d->attributes[as->first + i];
		struct die_value value = {.at = d->at.at};

		value.is_number = read_value(d, a, &value.number);
		if (d->at.failed)
			return 0;
		take_value(userdata, a, &value);
	}
	return as->tag;
}

bool dies_skip_children(struct dies *d, const struct die *die)
{
	size_t depth = 1;
	struct die inner;

	if (!die->has_children)
		return true;
	if (die->sibling) {
		/* Only forward: else a walk would never end. */
		if (die->sibling < (uint64_t)(d->at.at - d->info) || die->sibling > d->unit.end)
			return false;
		d->at.at = d->info + die->sibling;
		return true;
	}
	while (depth && dies_next(d, &inner)) {
		if (!inner.tag)
			depth--;
		else if (inner.sibling && inner.has_children && dies_skip_children(d, &inner))
			continue;
		else if (inner.has_children)
			depth++;
	}
	return !depth;
}
