/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * unwind_rules.h - rules of 16 bits that were found a short while ago, by address: one cache line
 * instead of the eight or so that lead from mappings to rows. Callers come again and again.
 *
 * A version of a mapping array is never used for another one, and what is mapped in it never
 * changes; so a rule that once was right for an address and a version always is, whatever became of
 * the pages that it was found in.
 *
 * Programs on all CPUs read and write the table without a lock. The first word of an entry holds
 * the address mixed with the second word, so two halves of different entries do not match: for
 * that, the difference of two second words, multiplied, would have to be that of two addresses.
 */
#ifndef PROFD_BPF_UNWIND_RULES_H
#define PROFD_BPF_UNWIND_RULES_H

#include "unwind_state.h"

#define RULES_SHIFT 12
#define RULES	    (1U << RULES_SHIFT)

struct known_rule {
	__u64 address; /* ^ rules_mix(rule) */
	__u64 rule;    /* the version, and in the low half the rule; 0: none */
};

static __always_inline __u64 rules_mix(__u64 word)
{
	return word * 0x9e3779b97f4a7c15ULL; /* 2^64 / golden ratio: odd, and its bits are spread */
}

/* Where an address is looked for. */
static __always_inline __u32 rules_place(__u64 address, __u32 version)
{
	return (__u32)(rules_mix(address + ((__u64)version << 48)) >> (64 - RULES_SHIFT));
}

/* The rule, or -1. Versions begin at 1. */
static __always_inline int rules_get(const struct known_rule *known, __u64 address, __u32 version)
{
	__u64 rule = WALK_READ_ONCE(known->rule);

	if (rule >> 32 != version || (WALK_READ_ONCE(known->address) ^ rules_mix(rule)) != address)
		return -1;
	return (int)(rule & 0xffff);
}

static __always_inline void rules_put(
	struct known_rule *known, __u64 address, __u32 version, __u32 row)
{
	__u64 rule = (__u64)version << 32 | row;

	WALK_READ_ONCE(known->address) = address ^ rules_mix(rule);
	WALK_READ_ONCE(known->rule) = rule;
}

#endif
