// SPDX-License-Identifier: MIT
#include "collector/table_maps.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "collector/array_map.h"
#include "collector/table_memory.h"

struct table_maps {
	struct table_memory memory;
	int chunks;
};

static int grow(struct table_memory *m)
{
	const struct table_maps *t = (struct table_maps *)((char *)m -
							   offsetof(struct table_maps, memory));
	void *chunk;
	int r;

	if (m->n_chunks == TABLES_MAX_CHUNKS)
		return -ENOSPC;
	r = array_map_add(t->chunks, m->n_chunks, "profd_chunk", TABLES_CHUNK_BYTES,
		PROT_READ | PROT_WRITE, &chunk);
	if (r == 0)
		m->chunks[m->n_chunks++] = chunk;
	return r;
}

static int map(struct table_memory *m, const struct table_maps_fds *fds)
{
	m->directory = array_map_values(fds->directory, TABLES_DIRECTORY * sizeof(*m->directory));
	if (m->directory)
		m->maps = array_map_values(fds->maps, TABLES_MAPS * sizeof(*m->maps));
	if (m->maps)
		m->spaces = array_map_values(fds->spaces, TABLES_SPACES * sizeof(*m->spaces));
	return m->spaces ? 0 : -errno;
}

int table_maps_new(struct table_maps **out, const struct table_maps_fds *fds)
{
	struct table_maps *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->chunks = fds->chunks;
	t->memory.grow = grow;
	r = map(&t->memory, fds);
	if (r < 0) {
		table_maps_free(t);
		return r;
	}
	*out = t;
	return 0;
}

static void unmap(void *p, size_t size)
{
	if (p)
		munmap(p, size);
}

void table_maps_free(struct table_maps *t)
{
	struct table_memory *m;

	if (!t)
		return;
	m = &t->memory;
	unmap(m->directory, TABLES_DIRECTORY * sizeof(*m->directory));
	unmap(m->maps, TABLES_MAPS * sizeof(*m->maps));
	unmap(m->spaces, TABLES_SPACES * sizeof(*m->spaces));
	for (unsigned i = 0; i < m->n_chunks; i++)
		unmap(m->chunks[i], TABLES_CHUNK_BYTES);
	free(t);
}

struct table_memory *table_maps_memory(struct table_maps *t)
{
	return &t->memory;
}

uint64_t table_maps_bytes(const struct table_maps *t)
{
	return (uint64_t)t->memory.n_chunks * TABLES_CHUNK_BYTES;
}
