// SPDX-License-Identifier: MIT
#include "unwind/cfi_index.h"

#include <errno.h>
#include <stdlib.h>

#include "util/grow.h"

/* ---- the linker's table ------------------------------------------------------------------- */

static bool table_is_good(const struct cfi_index *index)
{
	const struct cfi_header *header = &index->header;
	uint64_t last = index->low;

	if (!header->table || !header->count || header->frames != index->section->address)
		return false;
	for (size_t i = 0; i < header->count; i++) {
		uint64_t start = cfi_header_start(header, i);

		if (start < last || start >= index->high ||
			cfi_header_fde(header, i) - index->section->address >= index->section->size)
			return false;
		last = start;
	}
	return true;
}

/* ---- a scan ------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
	const struct cfi_place *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

static void sort_places(struct cfi_index *index)
{
	for (size_t i = 1; i < index->count; i++) {
		if (compare_places(&index->places[i - 1], &index->places[i]) <= 0)
			continue;
		qsort(index->places, index->count, sizeof(*index->places), compare_places);
		return;
	}
}

/* CIEs are shared by runs of FDEs. */
struct cie_cache {
	struct cfi_cie cie;
	uint64_t offset;
	int error;
};

static int scan_fde(struct cfi_index *index, const struct cfi_entry *entry, uint64_t offset,
	struct cie_cache *cache)
{
	struct cfi_fde fde;
	int r;

	if (cache->offset != entry->cie) {
		cache->offset = entry->cie;
		cache->error = cfi_cie_at(index->section, entry->cie, &cache->cie);
	}
	if (cache->error || cfi_fde_read(index->section, entry, &cache->cie, &fde) ||
		fde.start < index->low || fde.start >= index->high)
		return 0;
	r = grow(index->places, index->count, index->capacity, 1);
	if (!r)
		index->places[index->count++] = (struct cfi_place){
			(uint32_t)(fde.start - index->low), (uint32_t)offset};
	return r;
}

int cfi_index_scan(struct cfi_index *index)
{
	struct cie_cache cache = {.offset = UINT64_MAX, .error = -EBADMSG};
	struct cfi_entry entry;
	uint64_t offset = 0;
	int r = 0;

	index->header.table = NULL;
	index->count = 0;
	index->scanned = true;
	while (!r && index->count < CFI_MAX_FDES && offset < UINT32_MAX &&
		!cfi_entry_at(index->section, offset, &entry) && entry.kind != CFI_TERMINATOR) {
		if (entry.kind == CFI_FDE)
			r = scan_fde(index, &entry, offset, &cache);
		offset = entry.next;
	}
	sort_places(index);
	return r;
}

/* ------------------------------------------------------------------------------------------- */

int cfi_index_open(struct cfi_index *index, const struct cfi_section *section,
	const struct cfi_header *header, uint64_t low, uint64_t high)
{
	*index = (struct cfi_index){.section = section, .low = low, .high = high};
	if (header)
		index->header = *header;
	if (!table_is_good(index))
		return cfi_index_scan(index);
	index->count = index->header.count;
	return 0;
}

void cfi_index_close(struct cfi_index *index)
{
	free(index->places);
	*index = (struct cfi_index){0};
}

uint64_t cfi_index_start(const struct cfi_index *index, size_t i)
{
	if (i >= index->count)
		return UINT64_MAX;
	return index->header.table ? cfi_header_start(&index->header, i)
				   : index->low + index->places[i].start;
}

uint64_t cfi_index_offset(const struct cfi_index *index, size_t i)
{
	return index->header.table ? cfi_header_fde(&index->header, i) - index->section->address
				   : index->places[i].offset;
}

size_t cfi_index_seek(const struct cfi_index *index, uint64_t address)
{
	size_t low = 0, high = index->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cfi_index_start(index, middle) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? low - 1 : 0;
}
