/* SPDX-License-Identifier: MIT */
/*
 * id_map.h - a file's own ids (any nonzero 64-bit number) to indices 1..n. Files that number from
 * 1 on need an array only; other ids go through a hash index.
 */
#ifndef PROFD_PROFILE_ID_MAP_H
#define PROFD_PROFILE_ID_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "util/intern.h"

struct id_map {
	uint32_t *dense; /* by id, for ids up to n */
	size_t n;
	uint64_t *ids; /* by index, once there is an id beyond n */
	struct intern sparse;
};

/* For n entries. 0 or -ENOMEM. */
int id_map_init(struct id_map *m, size_t n);
void id_map_free(struct id_map *m);
/* `index` is 1..n. 0, -EEXIST (that id is taken), -EINVAL (id 0) or -ENOMEM. */
int id_map_add(struct id_map *m, uint64_t id, uint32_t index);
uint32_t id_map_get_sparse(const struct id_map *m, uint64_t id); /* for id_map_get only */

/* 0 if there is no such id. */
static inline uint32_t id_map_get(const struct id_map *m, uint64_t id)
{
	if (id > m->n)
		return id_map_get_sparse(m, id);
	return m->dense ? m->dense[id] : 0;
}

#endif
