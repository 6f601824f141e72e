/* SPDX-License-Identifier: MIT */
/*
 * select.h - the samples that a query is about, by their labels (DESIGN 8: pid, comm, cgroup, and
 * any label key=value). Several values of one key are alternatives; different keys must all match.
 */
#ifndef PROFD_PROFILE_SELECT_H
#define PROFD_PROFILE_SELECT_H

#include <stdbool.h>

#include "profile/profile.h"

struct selection_term {
	char *key, *value;
	bool below; /* the value is a path: matches itself and what lies below it */
};

/* Zero-initialised selects everything. */
struct selection {
	struct selection_term *terms;
	size_t n_terms, capacity;
};

void selection_free(struct selection *s);
/* Texts are copied. 0 or -ENOMEM. */
int selection_add_pid(struct selection *s, uint32_t pid);
int selection_add_comm(struct selection *s, const char *comm);
/* That cgroup and those below it: "/system.slice" or "system.slice". */
int selection_add_cgroup(struct selection *s, const char *cgroup);
/* "key=value"; a numeric label matches its value in decimal. -EINVAL if there is no key or no '='.
 */
int selection_add_label(struct selection *s, const char *text);
bool selection_is_empty(const struct selection *s);

bool select_sample(const struct selection *s, const struct profile *p, const struct sample *sample);
/* A new profile with the headers of `in` and only the samples that match, and only what they need.
 * 0 or -ENOMEM, -E2BIG. */
int profile_select(struct profile **out, const struct profile *in, const struct selection *s);

#endif
