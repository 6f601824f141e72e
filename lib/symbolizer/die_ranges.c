// SPDX-License-Identifier: MIT
#include "symbolizer/die_ranges.h"

#include <dwarf.h>

#define MAX_ENTRIES 1000000 /* of one list: those of the largest units are some ten thousand */

static uint64_t list_offset(
	const struct dies *d, const struct range_lists *lists, const struct die *die)
{
	size_t size = d->unit.offset_size;
	uint64_t table = lists->offsets;
	struct reader r;

	if (!die->ranges_indexed)
		return d->unit.version >= 5 ? die->ranges : table + die->ranges;
	if (table > lists->size || die->ranges >= (lists->size - table) / size)
		return UINT64_MAX;
	r = reader_of(lists->section + table + die->ranges * size, size);
	return table + read_number(&r, size);
}

void die_ranges_open(struct die_ranges *r, const struct dies *dies, const struct range_lists *lists,
	const struct die *die)
{
	*r = (struct die_ranges){
		.dies = dies,
		.base = lists->base,
		.low = die->low,
		.high = die->high,
		.is_list = die->has_ranges,
		.left = MAX_ENTRIES,
	};
	if (die->has_ranges && lists->section) {
		uint64_t offset = list_offset(dies, lists, die);

		if (offset < lists->size)
			r->at = reader_of(lists->section + offset, lists->size - offset);
	}
}

/* What the linker dropped begins at 0, or at the end of the address space (lld's -z
 * dead-reloc-in-nonalloc), and so does all that counts from there. */
static bool was_dropped(const struct die_ranges *r, uint64_t base)
{
	uint64_t end = r->dies->unit.address_size == 4 ? UINT32_MAX : UINT64_MAX;

	return !base || base >= end - 1;
}

/* Pairs of addresses; the largest one announces a new base, two zeros end it. */
static bool next_pair(struct die_ranges *r, uint64_t *low, uint64_t *high)
{
	size_t size = r->dies->unit.address_size;
	uint64_t mark = size == 8 ? UINT64_MAX : UINT32_MAX;

	while (r->left--) {
		*low = read_number(&r->at, size);
		*high = read_number(&r->at, size);
		if (r->at.failed || (!*low && !*high))
			return false;
		if (*low == mark) {
			r->base = *high;
			continue;
		}
		*low += r->base;
		*high += r->base;
		return true;
	}
	return false;
}

static uint64_t read_index(struct die_ranges *r)
{
	uint64_t address = 0;

	if (!dies_address(r->dies, read_uleb(&r->at), &address))
		r->at.failed = true;
	return address;
}

static bool next_entry(struct die_ranges *r, uint64_t *low, uint64_t *high)
{
	size_t size = r->dies->unit.address_size;

	while (r->left-- && !r->at.failed) {
		switch (read_byte(&r->at)) {
		case DW_RLE_base_addressx:
			r->base = read_index(r);
			r->dropped = was_dropped(r, r->base);
			continue;
		case DW_RLE_base_address:
			r->base = read_number(&r->at, size);
			r->dropped = was_dropped(r, r->base);
			continue;
		case DW_RLE_startx_endx:
			*low = read_index(r);
			*high = read_index(r);
			break;
		case DW_RLE_startx_length:
			*low = read_index(r);
			*high = *low + read_uleb(&r->at);
			break;
		case DW_RLE_offset_pair:
			*low = r->base + read_uleb(&r->at);
			*high = r->base + read_uleb(&r->at);
			if (r->dropped)
				continue;
			break;
		case DW_RLE_start_end:
			*low = read_number(&r->at, size);
			*high = read_number(&r->at, size);
			break;
		case DW_RLE_start_length:
			*low = read_number(&r->at, size);
			*high = *low + read_uleb(&r->at);
			break;
		default: /* DW_RLE_end_of_list, or what nobody knows */
			return false;
		}
		return !r->at.failed;
	}
	return false;
}

bool die_ranges_next(struct die_ranges *r, uint64_t *low, uint64_t *high)
{
	if (r->is_list)
		return r->dies->unit.version >= 5 ? next_entry(r, low, high)
						  : next_pair(r, low, high);
	*low = r->low;
	*high = r->high;
	r->is_list = true; /* an empty one */
	r->left = 0;
	return *low < *high;
}
