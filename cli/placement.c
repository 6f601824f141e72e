// SPDX-License-Identifier: MIT
#include "placement.h"

#define PAGE_MASK 4095ULL

/* Producers write a mapping in one of these ways:
 * - addresses are those of the file already: no mapping is known (0, 0), the program is at the
 *   place that it was linked for, or the profile was normalized, as profd's are;
 * - as the kernel maps files: a range of the file, from `offset` on;
 * - as the loader sees a library: all of its image, from its first byte on, which is no range of
 *   the file where the linker left gaps (lld does). */
enum way { AS_LINKED, AS_FILE, AS_IMAGE };

static enum way way_of(const struct mapping *m, const struct symbolizer_segment *segments, size_t n)
{
	if (!m->start && !m->offset)
		return AS_LINKED;
	for (size_t i = 0; i < n; i++) {
		const struct symbolizer_segment *s = &segments[i];

		if (m->start <= s->vaddr && m->limit >= s->vaddr + s->filesz)
			return AS_LINKED;
		if (!m->offset && s->vaddr != s->offset && m->limit > m->start &&
			m->limit - m->start >= s->vaddr + s->memsz)
			return AS_IMAGE;
	}
	return AS_FILE;
}

/* The kernel maps whole pages: those at a segment's edge hold bytes of its neighbours. */
static bool find_offset(
	const struct symbolizer_segment *segments, size_t n, uint64_t offset, uint64_t *vaddr)
{
	const struct symbolizer_segment *near = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct symbolizer_segment *s = &segments[i];
		bool inside = offset >= s->offset && offset - s->offset < s->filesz;

		if (inside || (!near && offset >= (s->offset & ~PAGE_MASK) &&
				      offset < ((s->offset + s->filesz + PAGE_MASK) & ~PAGE_MASK)))
			near = s;
		if (inside)
			break;
	}
	if (near)
		*vaddr = near->vaddr + (offset - near->offset);
	return near;
}

bool placement_find(const struct mapping *m, const struct symbolizer_segment *segments, size_t n,
	uint64_t address, uint64_t *vaddr)
{
	switch (way_of(m, segments, n)) {
	case AS_FILE:
		return find_offset(segments, n, address - m->start + m->offset, vaddr);
	case AS_IMAGE:
		*vaddr = address - m->start;
		break;
	case AS_LINKED:
		*vaddr = address;
		break;
	}
	for (size_t i = 0; i < n; i++)
		if (*vaddr >= segments[i].vaddr && *vaddr - segments[i].vaddr < segments[i].memsz)
			return true;
	return false;
}
