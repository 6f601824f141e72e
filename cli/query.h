/* SPDX-License-Identifier: MIT */
/*
 * query.h - what every command that reads profiles has in common: the selectors, and the one
 * profile that they lead to.
 */
#ifndef PROFD_CLI_QUERY_H
#define PROFD_CLI_QUERY_H

#include "naming.h"
#include "options.h"
#include "place.h"
#include "profile/profile.h"
#include "profile/select.h"
#include "select.h"

struct query {
	struct place place;
	const char *type; /* NULL: cpu */
	struct time_range range;
	struct ids pids;
	struct texts comms, cgroups, labels;
	const char *sample_index; /* NULL: the file's default */
	const char *symbolize;	  /* none or local; NULL: local */
	const char *debug_dirs;	  /* NULL: as profd is configured */
	const char *names;	  /* see renaming.h; NULL: as they are, new ones short */
	const char *program;	  /* the main binary; NULL: as the profile says */
};

/* For the groups of a command whose struct has `query` at this offset. */
extern const struct option QUERY_STORE_OPTIONS[];  /* which files */
extern const struct option QUERY_SAMPLE_OPTIONS[]; /* which samples of them */
extern const struct option QUERY_NAME_OPTIONS[];   /* where names come from */

/* Takes the program that was named before profiles off the operands, if there is one: `pprof
 * PROGRAM FILE` is what people type. */
void query_take_program(struct query *q, struct operands *files);

/* How the query wants names; told, userdata and again are the caller's. */
struct naming query_naming(const struct query *q);
/* Makes all names as the query wants them (renaming.h). 0 or -errno. */
int query_rename(const struct query *q, struct profile *p);

/* Merges what the query selects, and names addresses that have no names (naming.h). Inputs that
 * cannot be read or do not fit are named and passed over: *skipped counts them. 0; -EINVAL for
 * wrong usage (exit 2); another -errno when there is nothing to show. All explained. */
int query_load(const struct command *c, const struct query *q, const struct operands *files,
	struct profile **out, size_t *skipped);
/* Of the options that choose samples; to be freed also after a failure. 0; -EINVAL for wrong usage;
 * -ENOMEM. Explained. */
int query_selection(const struct command *c, const struct query *q, struct selection *s);
/* Which value of the samples is meant. 0; -EINVAL when --sample_index names none; -ENODATA when
 * there is none at all. Explained. */
int query_sample_index(
	const struct command *c, const struct query *q, const struct profile *p, size_t *index);
/* The exit code for what query_load and the like returned, and for inputs passed over. */
int query_exit(int err, size_t skipped);
void query_free(struct query *q);

#endif
