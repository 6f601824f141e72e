/* SPDX-License-Identifier: MIT */
#include "symbolizer/dwarf_units.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "symbolizer/nearest.h"
#include "util/cleanup.h"
#include "util/grow.h"

/* More units than any program has; a chain of empty ones costs 11 bytes each. */
#define MAX_UNITS  2000000
#define MAX_RANGES 1000000 /* of one unit */

struct finder {
	const struct nearest index;
	Dwarf_Off *unit_of; /* by address; 0: not known (a unit's DIE is never at 0) */
	size_t unknown;
	Dwarf_Off *known; /* units in .debug_aranges, sorted */
	size_t n_known, capacity;
};

static int compare_offsets(const void *a, const void *b)
{
	Dwarf_Off x = *(const Dwarf_Off *)a, y = *(const Dwarf_Off *)b;

	return (x > y) - (x < y);
}

static void claim(struct finder *f, uint64_t low, uint64_t high, Dwarf_Off unit)
{
	/* Code that the linker dropped keeps its DWARF, with addresses from 0 on. */
	if (!low)
		return;
	for (size_t i = nearest_index(&f->index, low);
		i < f->index.n && f->index.addresses[i] < high; i++) {
		if (!f->unit_of[i])
			f->unknown--;
		if (!f->unit_of[i])
			f->unit_of[i] = unit;
	}
}

static int by_aranges(struct finder *f, Dwarf *dwarf)
{
	Dwarf_Aranges *aranges;
	size_t n;

	if (dwarf_getaranges(dwarf, &aranges, &n))
		return 0;
	for (size_t i = 0; i < n; i++) {
		Dwarf_Arange *arange = dwarf_onearange(aranges, i);
		Dwarf_Addr low;
		Dwarf_Word length;
		Dwarf_Off unit;

		if (!arange || dwarf_getarangeinfo(arange, &low, &length, &unit))
			continue;
		if (!f->n_known || f->known[f->n_known - 1] != unit) {
			int r = grow(f->known, f->n_known, f->capacity, 1);

			if (r)
				return r;
			f->known[f->n_known++] = unit;
		}
		claim(f, low, length > UINT64_MAX - low ? UINT64_MAX : low + length, unit);
	}
	if (f->n_known)
		qsort(f->known, f->n_known, sizeof(*f->known), compare_offsets);
	return 0;
}

static bool is_known(const struct finder *f, Dwarf_Off unit)
{
	return f->n_known && bsearch(&unit, f->known, f->n_known, sizeof(unit), compare_offsets);
}

static void by_unit_ranges(struct finder *f, Dwarf *dwarf)
{
	Dwarf_CU *cu = NULL;

	for (size_t units = 0; f->unknown && units < MAX_UNITS; units++) {
		Dwarf_Addr base, low, high;
		Dwarf_Die die;
		uint8_t type;

		if (dwarf_get_units(dwarf, cu, &cu, NULL, &type, &die, NULL))
			return;
		if (type != DW_UT_compile || dwarf_tag(&die) != DW_TAG_compile_unit ||
			is_known(f, dwarf_dieoffset(&die)))
			continue;
		ptrdiff_t next = 0;
		for (size_t i = 0; i < MAX_RANGES; i++) {
			next = dwarf_ranges(&die, next, &base, &low, &high);
			if (next <= 0)
				break;
			claim(f, low, high, dwarf_dieoffset(&die));
		}
	}
}

static int compare(const void *a, const void *b)
{
	const struct unit_address *x = a, *y = b;

	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return (x->address > y->address) - (x->address < y->address);
}

int dwarf_units_find(
	Dwarf *dwarf, const uint64_t *addresses, size_t n, struct unit_address **out, size_t *n_out)
{
	struct finder f = {.index = {.addresses = addresses, .n = n}, .unknown = n};
	_cleanup_free_ Dwarf_Off *unit_of = calloc(n + 1, sizeof(*unit_of));
	int r;

	*n_out = 0;
	*out = calloc(n + 1, sizeof(**out));
	if (!unit_of || !*out)
		return -ENOMEM;
	f.unit_of = unit_of;
	r = by_aranges(&f, dwarf);
	if (!r)
		by_unit_ranges(&f, dwarf);
	free(f.known);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++)
		if (unit_of[i])
			(*out)[(*n_out)++] = (struct unit_address){unit_of[i], (uint32_t)i};
	qsort(*out, *n_out, sizeof(**out), compare);
	return 0;
}
