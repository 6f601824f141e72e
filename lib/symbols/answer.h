/* SPDX-License-Identifier: MIT */
/*
 * answer.h - checks an answer of the symbolizer before anyone believes it: that process
 * parses what profiled programs control, and may be in their hands.
 */
#ifndef PROFD_SYMBOLS_ANSWER_H
#define PROFD_SYMBOLS_ANSWER_H

#include <stddef.h>

#include "symbolizer/protocol.h"

/* Pointers into the message. */
struct symbol_answer {
	const struct symbolizer_answer *head;
	const struct symbolizer_segment *segments;
	const struct symbolizer_address *addresses; /* as many as were asked */
	const struct symbolizer_function *functions;
	const struct symbolizer_line *lines;
	const char *strings; /* every offset in functions begins a NUL-terminated text */
};

/* data: the body of an ANSWER, aligned as malloc does. 0, or -EBADMSG when sizes, counts, indices
 * or texts contradict each other or exceed the limits of protocol.h. What `strings` contains is not
 * looked at: it can have any bytes but NUL. */
int symbol_answer_check(struct symbol_answer *out, const void *data, size_t size, size_t n_asked);

/* Such a text as people may see it: control characters become '?'. */
void symbol_text_show(char *text);

#endif
