/* SPDX-License-Identifier: MIT */
/* dot_tags.h - the small boxes beside a node: what its samples' labels say, at most four, and
 * below each what blocks were how large, in at most four ranges. */
#ifndef PROFD_REPORT_DOT_TAGS_H
#define PROFD_REPORT_DOT_TAGS_H

#include "report/private.h"

/* `id` is the node's number in the picture. *any: whether there are boxes. 0 or -ENOMEM. */
int dot_tags_print(
	const struct report *r, const struct graph *g, uint32_t node, size_t id, bool *any);

#endif
