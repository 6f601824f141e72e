/* SPDX-License-Identifier: MIT */
/*
 * brief_scale.h - the scale of short lifetimes of allocations: 10us, 20us, 50us and so on to 1s.
 * Step i has what lived no longer than brief_scale_within(i), and longer than the step before.
 */
#ifndef PROFD_UTIL_BRIEF_SCALE_H
#define PROFD_UTIL_BRIEF_SCALE_H

#include <stdint.h>

#define BRIEF_SCALE_STEPS 16
/* What people usually mean: microseconds. */
#define BRIEF_SCALE_USUAL 10000

/* Microseconds; UINT64_MAX behind the last step. */
uint64_t brief_scale_within(unsigned step);
/* The step of what lived for so many nanoseconds; BRIEF_SCALE_STEPS: longer than all. */
unsigned brief_scale_step(uint64_t ns);
/* "500us", "10ms", "1s": microseconds, if it is a step of the scale. 0 or -EINVAL. */
int brief_scale_parse(const char *text, uint32_t *us);
/* As it is parsed; of a step of the scale. */
void brief_scale_print(uint64_t us, char *out, unsigned size);

#endif
