/* SPDX-License-Identifier: MIT */
/*
 * functions.h - what each function cost, and how much of that may be chance.
 *
 * Functions of one name are one; those without a name are one for each module, "[libfoo.so]".
 * flat is a function's own, cum that of it and all that it calls, counted once a stack.
 *
 * Noise: a profile that takes samples counts events that come at random, so a sum of n events
 * scatters by the square root of n (Poisson). `events` says how many there were behind a value:
 * values of a profile of the CPU are counts, or counts times a period; those of a heap profile were
 * scaled up, and an event of size S stands for S / (1 - e^(-S/R)) bytes at the mean distance R.
 */
#ifndef PROFD_REPORT_FUNCTIONS_H
#define PROFD_REPORT_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"
#include "util/intern.h"

struct string_table;

/* A sum with the sum of the squares of what each event brought: its variance. */
struct noisy {
	double value, variance;
};

struct function_cost {
	uint32_t name; /* in functions.names */
	struct noisy flat, cum;
	size_t seen; /* the last sample that counted */
};

struct functions {
	struct string_table *names;
	struct function_cost *items;
	size_t n, capacity;
	struct intern index; /* by index + 1 */
	struct noisy total;
	bool exact; /* nothing says how many events there were: variances are 0 */
};

/* Counts a value of all samples. 0, -EINVAL (no such sample type), -ENOMEM, -E2BIG. functions_free
 * also after a failure. */
int functions_count(struct functions *f, const struct profile *p, size_t sample_type);
/* Adds the costs of another, times `sign`. `into` may be zero-initialised. 0, -ENOMEM, -E2BIG. */
int functions_add(struct functions *into, const struct functions *from, double sign);
void functions_free(struct functions *f);
const char *functions_name(const struct functions *f, const struct function_cost *cost);
/* The samples behind so many objects of so many bytes together, at a mean distance of `rate`. */
double functions_heap_events(double objects, double bytes, double rate);
/* The one of that name, or NULL. */
const struct function_cost *functions_find(const struct functions *f, const char *name);

#endif
