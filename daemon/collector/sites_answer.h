/* SPDX-License-Identifier: MIT */
/*
 * sites_answer.h - checks the sites that the unwinder helper says it found, as unwinder_answer.h
 * does. What passes can still be the wrong place, but it is one in code that the module says to
 * load, and no number in it leads beyond what it counts.
 */
#ifndef PROFD_COLLECTOR_SITES_ANSWER_H
#define PROFD_COLLECTOR_SITES_ANSWER_H

#include <stddef.h>

#include "collector/heap_sites.h"

/* data: an unwinder_sites and what follows, aligned to 8 bytes; the arrays of *out are in it. 0 or
 * -EBADMSG. */
int sites_answer_check(struct heap_sites *out, const void *data, size_t size);

#endif
