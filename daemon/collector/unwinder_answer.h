/* SPDX-License-Identifier: MIT */
/*
 * unwinder_answer.h - checks what the unwinder helper says before anyone believes it: that process
 * parses what profiled programs control, and may be in their hands. A block that passes can still
 * be wrong about the code, but whoever searches it never leaves it.
 */
#ifndef PROFD_COLLECTOR_UNWINDER_ANSWER_H
#define PROFD_COLLECTOR_UNWINDER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "collector/unwinder.h"
#include "unwinder/protocol.h"

struct unwinder_reply {
	int error; /* 0 or -errno; then nothing else is set but cache_error */
	int cache_error;
	bool cached;
	struct unwinder_code code; /* LAYOUT */
	const uint32_t *words;	   /* PAGE: in the message */
	size_t n_words;
	struct heap_sites sites; /* SITES: its arrays are in the message */
};

/* data: the body of an ANSWER, aligned as malloc does. 0, or -EBADMSG. */
int unwinder_answer_check(
	struct unwinder_reply *out, enum unwinder_question question, const void *data, size_t size);

/* Whether an index, its rows and rules are what profd/unwind_abi.h says, to the letter. */
bool unwinder_block_is_good(const uint32_t *words, size_t n_words);
/* Whether the segments are in order and the pages just those that they lie in. */
bool unwinder_layout_is_good(const struct unwinder_layout *layout);

#endif
