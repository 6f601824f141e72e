/* SPDX-License-Identifier: MIT */
/*
 * table_maps.h - table memory (table_memory.h) that BPF programs read: mmapped maps, whose chunks
 * are created by need.
 */
#ifndef PROFD_COLLECTOR_TABLE_MAPS_H
#define PROFD_COLLECTOR_TABLE_MAPS_H

#include <stdint.h>

struct table_maps;
struct table_memory;

/* Descriptors of the BPF object's maps, borrowed. */
struct table_maps_fds {
	int directory, maps, spaces;
	int chunks; /* a map of maps */
};

/* 0 or -errno. */
int table_maps_new(struct table_maps **out, const struct table_maps_fds *fds);
void table_maps_free(struct table_maps *t); /* NULL is fine */

/* The table maps' own. */
struct table_memory *table_maps_memory(struct table_maps *t);
/* Bytes of kernel memory of the chunks. */
uint64_t table_maps_bytes(const struct table_maps *t);

#endif
