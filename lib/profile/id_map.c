/* SPDX-License-Identifier: MIT */
#include "profile/id_map.h"

#include <errno.h>
#include <stdlib.h>

#include "util/hash.h"

int id_map_init(struct id_map *m, size_t n)
{
	*m = (struct id_map){.n = n};
	m->dense = calloc(n + 1, sizeof(*m->dense));
	return m->dense ? 0 : -ENOMEM;
}

void id_map_free(struct id_map *m)
{
	free(m->dense);
	free(m->ids);
	intern_free(&m->sparse);
	*m = (struct id_map){0};
}

struct wanted {
	const struct id_map *map;
	uint64_t id;
};

static bool equal_id(const void *userdata, uint32_t index)
{
	const struct wanted *w = userdata;
	return w->map->ids[index] == w->id;
}

int id_map_add(struct id_map *m, uint64_t id, uint32_t index)
{
	if (id == 0)
		return -EINVAL;
	if (id_map_get(m, id))
		return -EEXIST;
	if (id <= m->n) {
		m->dense[id] = index;
		return 0;
	}
	if (!m->ids) {
		m->ids = calloc(m->n + 1, sizeof(*m->ids));
		if (!m->ids)
			return -ENOMEM;
	}
	m->ids[index] = id;
	return intern_add(&m->sparse, hash_bytes(&id, sizeof(id)), index);
}

uint32_t id_map_get_sparse(const struct id_map *m, uint64_t id)
{
	struct wanted wanted = {m, id};
	return intern_find(&m->sparse, hash_bytes(&id, sizeof(id)), equal_id, &wanted);
}
