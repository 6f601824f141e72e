/* SPDX-License-Identifier: MIT */
/*
 * table_memory.h - the memory that tables.c and spaces.c fill and BPF programs read
 * (profd/tables.h): mmapped BPF maps, or, in tests, anything.
 */
#ifndef PROFD_COLLECTOR_TABLE_MEMORY_H
#define PROFD_COLLECTOR_TABLE_MEMORY_H

#include <stdint.h>

#include "profd/tables.h"

struct table_memory {
	struct tables_entry *directory; /* TABLES_DIRECTORY */
	struct tables_map *maps;	/* TABLES_MAPS */
	struct tables_space *spaces;	/* TABLES_SPACES */
	uint32_t *chunks[TABLES_MAX_CHUNKS];
	unsigned n_chunks;
	/* Adds a chunk, zeroed: chunks[n_chunks++]. 0 or -errno. */
	int (*grow)(struct table_memory *m);
};

/* What programs may read at this moment is written in one piece, after what it leads to. */
#define table_publish(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELEASE)

#endif
