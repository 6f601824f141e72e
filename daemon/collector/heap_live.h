/* SPDX-License-Identifier: MIT */
/*
 * heap_live.h - what is in use of the heap sessions that sample in the kernel: for each of them, by
 * its slot, a table of addresses and the filter before it (struct profd_live, profd_live_filter),
 * in maps that the programs find in profd_lives and profd_live_filters.
 */
#ifndef PROFD_COLLECTOR_HEAP_LIVE_H
#define PROFD_COLLECTOR_HEAP_LIVE_H

#include <stdint.h>

struct heap_live;

/* Borrows the descriptors of both maps of maps. 0 or -ENOMEM. */
int heap_live_new(struct heap_live **out, int tables, int filters);
void heap_live_free(struct heap_live *l); /* NULL is fine */

/* From now on there is room for n, some 80 bytes each; does nothing if there is some already. 0 or
 * -errno. */
int heap_live_open(struct heap_live *l, unsigned slot, uint32_t n);
void heap_live_close(struct heap_live *l, unsigned slot);
/* stamp: the value that it has. pid is what the programs know as tgid, but in a pid namespace:
 * there what has ended is forgotten with the session. */
void heap_live_forget(
	struct heap_live *l, unsigned slot, uint64_t address, uint32_t pid, uint32_t stamp);

/* Descriptor of a slot's table; -1: there is none. And the memory of a filter, which each that is
 * open has beside. */
int heap_live_table(const struct heap_live *l, unsigned slot);
#define HEAP_LIVE_FILTER_BYTES sizeof(struct profd_live_filter)

#endif
