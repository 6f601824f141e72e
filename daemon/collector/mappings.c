/* SPDX-License-Identifier: MIT */
#include "collector/mappings.h"

#include <string.h>

#include "collector/modules.h"
#include "util/cleanup.h"

#define PAGE (1ULL << MAPPINGS_PAGE_SHIFT)

struct mappings *mappings_ref(struct mappings *m)
{
	if (m)
		m->references++;
	return m;
}

void mappings_unref(struct mappings *m)
{
	if (!m || --m->references)
		return;
	for (uint32_t i = 0; i < m->count; i++)
		module_unref(m->maps[i].module);
	free(m);
}

static uint64_t end_of(const struct memory_map *map)
{
	return map->start + ((uint64_t)map->pages << MAPPINGS_PAGE_SHIFT);
}

/* Index of the first map that ends above the address. */
static uint32_t first_above(const struct mappings *m, uint64_t address)
{
	uint32_t low = 0, high = m ? m->count : 0;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (end_of(&m->maps[middle]) > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct memory_map *mappings_find(const struct mappings *m, uint64_t address)
{
	uint32_t i = first_above(m, address);
	return m && i < m->count && m->maps[i].start <= address ? &m->maps[i] : NULL;
}

static uint32_t file_page_at(const struct memory_map *map, uint64_t address)
{
	if (map->module->kind == MODULE_ANON)
		return 0;
	return map->file_page + (uint32_t)((address - map->start) >> MAPPINGS_PAGE_SHIFT);
}

static bool continues(const struct memory_map *a, const struct memory_map *b)
{
	return a->module == b->module && end_of(a) == b->start &&
	       (uint64_t)a->pages + b->pages <= UINT32_MAX &&
	       file_page_at(a, b->start) == b->file_page;
}

/* The caller's own array with room for `count` maps; a shared or small one is replaced. */
static int make_writable(struct mappings **m, uint32_t count)
{
	struct mappings *old = *m;
	if (old && old->references == 1 && old->capacity >= count)
		return 0;
	uint32_t capacity = old && old->capacity >= count ? old->count : count + count / 2;
	if (capacity < count)
		capacity = count;
	size_t size = sizeof(*old) + capacity * sizeof(old->maps[0]);
	if (old && old->references == 1) {
		old = realloc(old, size);
		if (!old)
			return -ENOMEM;
		old->capacity = capacity;
		*m = old;
		return 0;
	}
	struct mappings *own = calloc(1, size);
	if (!own)
		return -ENOMEM;
	own->references = 1;
	own->capacity = capacity;
	own->count = old ? old->count : 0;
	for (uint32_t i = 0; i < own->count; i++) {
		own->maps[i] = old->maps[i];
		module_ref(own->maps[i].module);
	}
	mappings_unref(old);
	*m = own;
	return 0;
}

/* What is to stand where maps [first, last) stood: the uncovered head of the first, the new map,
 * the uncovered tail of the last; at most three. */
static uint32_t build_replacement(struct memory_map *out, const struct mappings *m, uint32_t first,
	uint32_t last, const struct memory_map *new)
{
	uint32_t n = 0;
	uint64_t end = end_of(new);
	if (first < last && m->maps[first].start < new->start) {
		out[n] = m->maps[first];
		out[n].pages = (uint32_t)((new->start - out[n].start) >> MAPPINGS_PAGE_SHIFT);
		n++;
	}
	if (new->module)
		out[n++] = *new;
	if (first < last && end_of(&m->maps[last - 1]) > end) {
		const struct memory_map *tail = &m->maps[last - 1];
		out[n] = *tail;
		out[n].start = end;
		out[n].pages = (uint32_t)((end_of(tail) - end) >> MAPPINGS_PAGE_SHIFT);
		out[n].file_page = file_page_at(tail, end);
		n++;
	}
	return n;
}

/* Makes one map of those in [from, to] that continue each other. */
static void join_neighbours(struct mappings *m, uint32_t from, uint32_t to)
{
	for (uint32_t i = to; i > from; i--) {
		if (i >= m->count || !continues(&m->maps[i - 1], &m->maps[i]))
			continue;
		m->maps[i - 1].pages += m->maps[i].pages;
		module_unref(m->maps[i].module);
		memmove(&m->maps[i], &m->maps[i + 1], (m->count - i - 1) * sizeof(m->maps[0]));
		m->count--;
	}
}

int mappings_add(struct mappings **array, uint64_t start, uint64_t length, uint64_t offset,
	struct module *module)
{
	if (start % PAGE || length % PAGE || offset % PAGE || !length ||
		length / PAGE > UINT32_MAX || start > UINT64_MAX - length ||
		offset / PAGE > UINT32_MAX - length / PAGE)
		return -EINVAL;
	struct memory_map new = {
		.start = start,
		.pages = (uint32_t)(length / PAGE),
		.file_page = module && module->kind != MODULE_ANON ? (uint32_t)(offset / PAGE) : 0,
		.module = module,
	};
	uint32_t count = *array ? (*array)->count : 0;
	uint32_t first = first_above(*array, start), last = first;
	while (last < count && (*array)->maps[last].start < start + length)
		last++;
	if (first == last && !module)
		return 0;

	struct memory_map replacement[3];
	uint32_t n = build_replacement(replacement, *array, first, last, &new);
	uint32_t after = count - (last - first) + n;
	if (after > count && after > MAPPINGS_MAX)
		return -E2BIG;
	int error = make_writable(array, after > count ? after : count);
	if (error)
		return error;

	struct mappings *m = *array;
	for (uint32_t i = 0; i < n; i++)
		module_ref(replacement[i].module);
	for (uint32_t i = first; i < last; i++)
		module_unref(m->maps[i].module);
	memmove(&m->maps[first + n], &m->maps[last], (count - last) * sizeof(m->maps[0]));
	memcpy(&m->maps[first], replacement, n * sizeof(m->maps[0]));
	m->count = after;
	join_neighbours(m, first ? first - 1 : 0, first + n);
	return 0;
}

void mappings_trim(struct mappings **m)
{
	struct mappings *own = *m;
	if (!own || own->references != 1 || own->capacity == own->count)
		return;
	own = realloc(own, sizeof(*own) + own->count * sizeof(own->maps[0]));
	if (own) {
		own->capacity = own->count;
		*m = own;
	}
}

bool mappings_equal(const struct mappings *a, const struct mappings *b)
{
	uint32_t n = a ? a->count : 0;
	if (n != (b ? b->count : 0))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const struct memory_map *x = &a->maps[i], *y = &b->maps[i];
		if (x->start != y->start || x->pages != y->pages || x->file_page != y->file_page ||
			x->module != y->module)
			return false;
	}
	return true;
}

size_t mappings_bytes(const struct mappings *m)
{
	return m ? sizeof(*m) + m->capacity * sizeof(m->maps[0]) : 0;
}
