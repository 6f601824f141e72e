/* SPDX-License-Identifier: MIT */
/* tally.h - sums by a number, such as samples by pid. */
#ifndef PROFD_CLI_TALLY_H
#define PROFD_CLI_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "util/intern.h"

struct tally {
	struct tally_entry {
		uint32_t key;
		uint64_t sum;
	} * entries;
	size_t n, capacity;
	struct intern index; /* by index + 1 */
};

/* Zero-initialised is empty. */
void tally_free(struct tally *t);
/* Keeps the memory. */
void tally_clear(struct tally *t);
/* The index of the key's entry, made if it is new, or -ENOMEM, -E2BIG. */
int64_t tally_entry(struct tally *t, uint32_t key);
/* The entry of the greatest sum, of those the one that came first; NULL if there is none. */
const struct tally_entry *tally_greatest(const struct tally *t);

#endif
