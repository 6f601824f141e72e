/* SPDX-License-Identifier: MIT */
/*
 * age_scale.h - the scale of ages and lifetimes of allocations: about three steps to a tenfold,
 * round for people. Step i reaches from age_scale_from(i) to the next, the last one for ever.
 */
#ifndef PROFD_UTIL_AGE_SCALE_H
#define PROFD_UTIL_AGE_SCALE_H

#include <stdint.h>

#define AGE_SCALE_STEPS 39

/* Milliseconds; UINT64_MAX behind the last step. */
uint64_t age_scale_from(unsigned step);
/* The step of so many milliseconds. */
unsigned age_scale_step(uint64_t ms);

#endif
