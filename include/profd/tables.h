/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * tables.h - the memory in which the collector keeps unwind tables and the mappings of processes
 * for the BPF programs: arrays that it writes through mmap, without a system call, while programs
 * read.
 *
 *     spaces      pid --> a process image, and where its mapping array lies
 *     maps        sorted mapping arrays: address --> a module's code, its place in the directory
 *     directory   one entry for each page of 64 KiB of a module's code --> block
 *     tables      blocks (profd/unwind_abi.h), in chunks that are created by need
 *
 * Programs take no lock. What they read is published by one store of a word that leads to it, and
 * taken back by another; memory that was taken back is written again TABLES_GRACE_NS later at the
 * earliest. A program does not take that long, unless it is preempted in its middle (uprobes on a
 * preemptible kernel): such a one looks at the time when it has walked a stack, and may have to
 * discard it (bpf/unwind_probe.h). And a rule counts only if the word that led to its block is
 * still there when it was read. This is cheaper than waiting for RCU: the collector would have to
 * stand still. (On architectures with a weaker order of stores than x86 the publishing store needs
 * release, and the reads acquire.)
 */
#ifndef PROFD_TABLES_H
#define PROFD_TABLES_H

#include "profd/unwind_abi.h"

#define TABLES_GRACE_NS (2 * 1000 * 1000 * 1000ULL)

/* ---- tables ------------------------------------------------------------------------------- */

#define TABLES_CHUNK_SHIFT 18 /* words: 1 MiB */
#define TABLES_CHUNK_WORDS (1u << TABLES_CHUNK_SHIFT)
#define TABLES_CHUNK_BYTES (TABLES_CHUNK_WORDS * 4)
#define TABLES_MAX_CHUNKS  1024

/* A block's reference is the number of its first word, counted over all chunks; no block begins at
 * 0 or 1, nor goes over a chunk's end. */
enum {
	TABLES_NOT_LOADED = 0,
	TABLES_NO_CFI = 1, /* the page is UNWIND_NONE as a whole: there is no block */
};

struct tables_entry {
	__u32 block;
	__u32 used; /* when a program last needed the page: bpf_ktime_get_ns() >> TABLES_USED_SHIFT
		     */
};
#define TABLES_USED_SHIFT 30 /* about a second */

#define TABLES_DIRECTORY (1u << 16) /* entries: 4 GiB of code */

/* ---- mappings ----------------------------------------------------------------------------- */

enum tables_map_flags {
	TABLES_MAP_TABLE = 1 << 0,   /* directory and offset are valid; else: frame pointers only */
	TABLES_MAP_PENDING = 1 << 1, /* whether there will be tables is not known yet: a miss */
};

struct tables_map {
	__u64 start;
	__u32 pages;	 /* of 4 KiB */
	__u32 flags;	 /* written last */
	__u32 directory; /* the entry of the module's first page */
	__u32 offset;	 /* of `start`, from that page's first byte */
};

#define TABLES_MAPS	 (1u << 17) /* 3 MiB */
#define TABLES_MAP_STEPS 15	    /* halvings that find one of the largest array */
#define TABLES_MAP_SHIFT 12

/* Where an array lies, and which one it is, in one word. */
#define TABLES_ARRAY_FIRST(a)	((__u32)((a)&0x1fffff))
#define TABLES_ARRAY_COUNT(a)	((__u32)((a) >> 21 & 0x7fff))
#define TABLES_ARRAY_VERSION(a) ((__u32)((a) >> 36))
#define TABLES_ARRAY(first, count, version) \
	((__u64)(first) | (__u64)(count) << 21 | (__u64)(version) << 36)
#define TABLES_MAX_VERSION ((1u << 28) - 1)

/* ---- processes ---------------------------------------------------------------------------- */

/* Slots of one set hold the processes whose pids are equal modulo TABLES_SETS. */
#define TABLES_SETS   2048
#define TABLES_WAYS   4
#define TABLES_SPACES (TABLES_SETS * TABLES_WAYS)

struct tables_space {
	__u64 start_boottime;
	__u64 array; /* TABLES_ARRAY() */
	__u32 exec_id;
	__u32 pid;   /* 0: free; cleared first and written last */
	__u32 used;  /* as in struct tables_entry */
	__u32 flags; /* enum tables_space_flags */
};

enum tables_space_flags {
	/* The mappings were read a moment ago: an address that is not in them leads nowhere. */
	TABLES_SPACE_CURRENT = 1 << 0,
};

_Static_assert(sizeof(struct tables_entry) == 8, "array maps pad to 8 bytes");
_Static_assert(sizeof(struct tables_map) == 24, "array maps pad to 8 bytes");
_Static_assert(sizeof(struct tables_space) == 32, "two ways to a cache line");

#endif
