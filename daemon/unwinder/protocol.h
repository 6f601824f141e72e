/* SPDX-License-Identifier: MIT */
/*
 * protocol.h - what stands in the messages (helper/protocol.h) to and from the unwinder helper.
 *
 * A REQUEST is an unwinder_request, with the module's descriptor and, unless nothing is cached,
 * that of the module's cache file. Its ANSWER is an unwinder_answer and, without an error, what was
 * asked for: an unwinder_layout, the words of a block (profd/unwind_abi.h), or an unwinder_sites
 * and as many sites, probes and rets as it says. unwinder_answer.h checks it. Sites are not cached.
 */
#ifndef PROFD_UNWINDER_PROTOCOL_H
#define PROFD_UNWINDER_PROTOCOL_H

#include <stdint.h>

#include "collector/heap_sites.h"
#include "collector/unwinder.h"
#include "util/file_identity.h"

enum unwinder_question {
	UNWINDER_LAYOUT,
	UNWINDER_PAGE,
	UNWINDER_SITES,
};

struct unwinder_request {
	uint32_t question; /* enum unwinder_question */
	uint32_t page;	   /* PAGE: counts from the layout's first */
	struct file_identity file;
};

/* See struct unwinder_code. */
struct unwinder_layout {
	uint64_t low;
	uint32_t n_pages;
	uint32_t has_rules; /* 0 or 1 */
	uint32_t n_segments;
	uint32_t pad;
	struct unwinder_segment segments[UNWINDER_MAX_SEGMENTS];
};

/* See struct heap_sites. */
struct unwinder_sites {
	uint32_t allocator;		 /* enum heap_allocator */
	uint32_t no_symbols, incomplete; /* 0 or 1 */
	uint32_t n_sites, n_probes, n_rets;
	struct unwinder_layout layout; /* where the offsets lie */
};

struct unwinder_answer {
	int32_t error;	     /* 0 or -errno */
	int32_t cache_error; /* the same, of writing the cache file */
	uint32_t cached;     /* 1: this comes from the cache file */
	uint32_t pad;
};

#define UNWINDER_MAX_ANSWER \
	(sizeof(struct unwinder_answer) + UNWIND_PAGE_WORDS * (uint32_t)UNWIND_WORD)

_Static_assert(sizeof(struct unwinder_sites) + HEAP_MAX_SITES * sizeof(struct heap_site) +
			       HEAP_MAX_PROBES * sizeof(struct heap_probe) +
			       HEAP_MAX_RETS * sizeof(uint64_t) <
		       UNWIND_PAGE_WORDS * UNWIND_WORD,
	"all sites must fit into an answer");

#endif
