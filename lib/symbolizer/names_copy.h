/* SPDX-License-Identifier: MIT */
/* names_copy.h - what one answer says of some addresses, taken over into another. */
#ifndef PROFD_SYMBOLIZER_NAMES_COPY_H
#define PROFD_SYMBOLIZER_NAMES_COPY_H

#include "symbolizer/names.h"
#include "symbols/answer.h"

struct names_copy {
	struct names *to;
	const struct symbol_answer *from; /* checked */
	uint32_t *ids;			  /* of its functions in `to`, + 1; 0: not there yet */
};

/* 0 or -ENOMEM; names_copy_end in any case. */
int names_copy_begin(struct names_copy *c, struct names *to, const struct symbol_answer *from);
/* Address `at` of the one says of address `address` of the other what that says. */
void names_copy_address(struct names_copy *c, size_t at, size_t address);
void names_copy_end(struct names_copy *c);

#endif
