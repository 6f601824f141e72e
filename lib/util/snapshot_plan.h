/* SPDX-License-Identifier: MIT */
/*
 * snapshot_plan.h - when heap profiles are published before their end, as people write it: each
 * "10s", when another "64M-allocated" were, when "16M-grown" more are in use than ever before.
 */
#ifndef PROFD_UTIL_SNAPSHOT_PLAN_H
#define PROFD_UTIL_SNAPSHOT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0: not for that reason. */
struct snapshot_plan {
	uint32_t seconds;
	uint64_t allocated, grown; /* bytes */
	uint64_t apart;		   /* ns, at least, between any two */
	unsigned rest;		   /* and from one to the next so many times what it took */
	unsigned at_once;	   /* that may be on their way */
	uint64_t max_bytes;	   /* of all together; 0: no limit */
	bool endless;		   /* there may be more than a recording has */
};

/* Adds what the text says, several with commas or blanks between. 0, -ENOMEM, or -EINVAL: with what
 * is none of them in `wrong`. */
int snapshot_plan_add(struct snapshot_plan *plan, const char *text, char *wrong, size_t size);
/* Is there any reason? */
bool snapshot_plan_has(const struct snapshot_plan *plan);

#endif
