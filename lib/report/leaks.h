/* SPDX-License-Identifier: MIT */
/*
 * leaks.h - what is in use, stack by stack, in heap profiles of one or more moments, and what is
 * likely to be a leak of it (leak_judge.h).
 *
 * Stacks are equal if functions, files and lines are: addresses differ between runs. Ages are those
 * of the latest profile, by the labels that profd writes (collector/publish.h).
 */
#ifndef PROFD_REPORT_LEAKS_H
#define PROFD_REPORT_LEAKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"
#include "report/leak_judge.h"
#include "util/age_scale.h"
#include "util/intern.h"

struct string_table;

struct leak_frame {
	uint32_t name, file; /* in leaks.strings */
	int64_t line;
};

/* In use at one moment. */
struct leak_use {
	double bytes, objects, variance;
};

struct leak_use_at {
	size_t moment;
	struct leak_use use;
};

struct leak_cell {
	double bytes, variance, events;
};

/* What a scan has found of a part of what is in use, as Memcheck's manual has it (4.2.9). */
enum leak_kind { LEAK_DEFINITE, LEAK_INDIRECT, LEAK_POSSIBLE, LEAK_STILL_REACHABLE, LEAK_KINDS };

struct leak_stack {
	uint32_t first, n_frames; /* of leaks.stack_frames, which are of leaks.frames; leaf first */
	struct leak_use_at *uses; /* by moment, without those at which nothing is in use */
	size_t n_uses, uses_capacity;
	struct leak_cell in_use[AGE_SCALE_STEPS], freed[AGE_SCALE_STEPS];
	struct leak_use live;		   /* at the last moment */
	struct leak_use kinds[LEAK_KINDS]; /* of these, what a scan was made of */
	struct leak_judgement judgement;
	bool hidden; /* for the user of it to say; such stacks are sorted behind the others */
};

struct leaks {
	struct string_table *strings;
	struct leak_frame *frames; /* entry 0 is unused */
	size_t n_frames, frames_capacity;
	struct intern frame_index;
	uint32_t *stack_frames;
	size_t n_stack_frames, stack_frames_capacity;
	struct leak_stack *items;
	size_t n, capacity;
	struct intern stack_index; /* id: index + 1 */

	double *times; /* of the moments, s since 1970 */
	size_t n_moments, max_moments;
	size_t latest;
	double looked; /* s, how long the latest one did; for who knows better to change */
	bool has_ages, has_scan;
	double span, older; /* of leak_history, once it is judged */
};

/* For so many profiles. 0 or -ENOMEM; leaks_free also after a failure. */
int leaks_begin(struct leaks *l, size_t max_moments);
/* Adds a profile, in any order; `time` is its moment, s since 1970 (leaks_time). -EINVAL with a
 * line in `why`: it is no heap profile; -ENOMEM, -E2BIG. */
int leaks_add(struct leaks *l, const struct profile *p, double time, char *why, size_t why_size);
/* The moment that a profile's in-use values are of; 0: it does not say. */
double leaks_time(const struct profile *p);
/* older: seconds, taken to the next step of the scale where there are ages; 0: what suits. 0 or
 * -ENOMEM. */
int leaks_judge(struct leaks *l, double older);
bool leaks_is_leak(const struct leak_stack *s);
/* What of it has leaked, or all that it has in use. */
struct leak_use leaks_leaked(const struct leak_stack *s);
/* "definite", ...: as the label of profiles has it. */
const char *leaks_kind_name(enum leak_kind kind);
/* The likeliest leak first. Afterwards nothing can be added. */
void leaks_sort(struct leaks *l);
void leaks_free(struct leaks *l);

const struct leak_frame *leaks_frame(const struct leaks *l, const struct leak_stack *s, uint32_t i);
const char *leaks_text(const struct leaks *l, uint32_t string);
/* Why a stack is judged as it is, in words. */
void leaks_explain(const struct leaks *l, const struct leak_stack *s, char *out, size_t size);
/* "30s", "1m30s", "2h". */
void leaks_duration(double seconds, char *out, size_t size);
/* "grows", "unsure", ... */
const char *leaks_verdict_name(enum leak_verdict verdict);

#endif
