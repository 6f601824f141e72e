/* SPDX-License-Identifier: MIT */
/*
 * mappings.h - the executable mappings of an address space: one sorted array without overlaps. A
 * fork shares its parent's array (a reference) until either of them changes it: every change goes
 * through a pointer to the owner's pointer and copies a shared array first.
 *
 * Nothing reports munmap, so a mapping lives until another one covers it: what is left of it on
 * either side stays. Neighbours that continue each other are one entry.
 */
#ifndef PROFD_COLLECTOR_MAPPINGS_H
#define PROFD_COLLECTOR_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module;

/* The kernel gives a process 65,530 mappings (vm.max_map_count), few of them executable. */
#define MAPPINGS_MAX 16384
/* Units of struct memory_map: all page sizes are multiples of it. */
#define MAPPINGS_PAGE_SHIFT 12

/* 24 bytes, since there are many. */
struct memory_map {
	uint64_t start;
	uint32_t pages;
	uint32_t file_page;    /* offset into the file; 0 for memory without a file */
	struct module *module; /* a reference */
};

struct mappings {
	unsigned references;
	uint32_t count, capacity;
	struct memory_map maps[];
};

/* NULL is an empty array everywhere below. */
struct mappings *mappings_ref(struct mappings *m);
void mappings_unref(struct mappings *m);

/* Puts a mapping over whatever was there; takes a reference on the module. Start, length and offset
 * are multiples of 4 KiB. With module NULL the range becomes unmapped. 0; -ENOMEM; -E2BIG: more
 * than MAPPINGS_MAX entries; -EINVAL: not a range of user addresses, or beyond 16 TiB of a file.
 * Nothing changes on failure. */
int mappings_add(struct mappings **m, uint64_t start, uint64_t length, uint64_t offset,
	struct module *module);

/* The mapping that holds an address, or NULL. */
const struct memory_map *mappings_find(const struct mappings *m, uint64_t address);

/* Gives back the room for growth, where the array is not shared. */
void mappings_trim(struct mappings **m);

/* Same ranges, offsets and modules. */
bool mappings_equal(const struct mappings *a, const struct mappings *b);

size_t mappings_bytes(const struct mappings *m);

#endif
