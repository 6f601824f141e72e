/* SPDX-License-Identifier: MIT */
/*
 * grow.h - growable arrays: a pointer, a count and a capacity that belong to the caller.
 */
#ifndef PROFD_UTIL_GROW_H
#define PROFD_UTIL_GROW_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Makes room for `more` elements behind `count`. 0, -ENOMEM, or -E2BIG beyond 2^31 elements. */
static inline int grow_(void **array, size_t count, size_t *capacity, size_t more, size_t size)
{
	if (more > (size_t)INT32_MAX || count > (size_t)INT32_MAX - more)
		return -E2BIG;
	if (count + more <= *capacity)
		return 0;
	size_t wanted = *capacity ? *capacity * 2 : 8;
	if (wanted < count + more)
		wanted = count + more;
	void *moved = reallocarray(*array, wanted, size);
	if (!moved)
		return -ENOMEM;
	*array = moved;
	*capacity = wanted;
	return 0;
}

#define grow(array, count, capacity, more) \
	grow_((void **)&(array), (count), &(capacity), (more), sizeof(*(array)))

#endif
