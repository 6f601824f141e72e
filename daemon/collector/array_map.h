/* SPDX-License-Identifier: MIT */
/* array_map.h - BPF array maps that are read and written through mmap. */
#ifndef PROFD_COLLECTOR_ARRAY_MAP_H
#define PROFD_COLLECTOR_ARRAY_MAP_H

#include <stddef.h>
#include <stdint.h>

/* The first `size` bytes of a map; munmap()ped by the caller. NULL, with errno. */
void *array_map_values(int fd, size_t size);

/* Creates a map of one zeroed value of `size` bytes and puts it at `key` into the map of maps
 * `outer`, which keeps it. The value with the rights `prot` (as for mmap()) is the caller's to
 * munmap(). 0 or -errno, and then there is nothing at `key` that was not there. */
int array_map_add(int outer, uint32_t key, const char *name, size_t size, int prot, void **value);

#endif
