/* SPDX-License-Identifier: MIT */
/* functions.h - the names that allocators give to their functions. */
#ifndef PROFD_SITES_FUNCTIONS_H
#define PROFD_SITES_FUNCTIONS_H

#include <stdbool.h>

#include "collector/heap_sites.h"

struct known_function {
	enum heap_function function;
	/* It is made to call others of these, and seldom does anything else: an operator of C++,
	 * reallocarray. */
	bool wraps;
	bool throws;   /* what cannot be had, instead of returning NULL */
	unsigned rank; /* of several names for one function the lowest is its name */
};

/* False: no allocator has such a function. */
bool functions_know(const char *name, struct known_function *known);

/* What the name of a function or variable says of who has it; HEAP_UNKNOWN: nothing. Of several the
 * highest counts: others copy the C library's names. */
enum heap_allocator functions_allocator(const char *name);

/* Does only glibc's dynamic loader have it? Its own malloc gives memory that is never given back,
 * and only until the C library is there. */
bool functions_loader(const char *name);

/* Does a function of that name end the program, or leave by an exception or a jump, always? */
bool functions_never_return(const char *name);

#endif
