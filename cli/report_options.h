/* SPDX-License-Identifier: MIT */
/* report_options.h - the options that all reports take, with pprof's names, in one table; and the
 * profile that a report is about. */
#ifndef PROFD_CLI_REPORT_OPTIONS_H
#define PROFD_CLI_REPORT_OPTIONS_H

#include "options.h"
#include "profile/profile.h"
#include "query.h"
#include "report/config.h"

struct report_request {
	struct report_config config;
	bool untrimmed;
	struct texts base, diff_base; /* files to subtract */
	bool normalize;
	/* Old names of sample types. */
	bool inuse_space, inuse_objects, alloc_space, alloc_objects;
	bool total_delay, contentions, mean_delay;
};

/* For a group of a command whose struct has `report_request` at its offset. */
extern const struct option REPORT_OPTIONS[], REPORT_FILTER_OPTIONS[];

struct report_request report_request_default(void);
void report_request_free(struct report_request *r);

/* Settles what the options say together, such as the old names of sample types, into r->config and
 * q->sample_index. 0; -EINVAL, explained. */
int report_request_settle(const struct command *c, struct report_request *r, struct query *q);
/* Whether nothing is asked for that changes samples or leaves some out. */
bool report_request_takes_all(const struct report_request *r);
/* The first option that is given but only says how reports look, and nothing about which samples
 * they are of; NULL if there is none. */
const char *report_request_look(const struct report_request *r);
/* What the query selects, less its base, as it is in the files, but for what the filters say. As
 * query_load() otherwise. */
int report_load_samples(const struct command *c, const struct report_request *r,
	const struct query *q, const struct operands *files, struct profile **out, size_t *skipped);
/* Applies the filters to what query_load() gave. 0 or -errno, explained. */
int report_filter_samples(const struct report_request *r, struct profile **p);
/* What the query selects, less its base, ready for report_write(). As query_load() otherwise. */
int report_load(const struct command *c, const struct report_request *r, const struct query *q,
	const struct operands *files, struct profile **out, size_t *skipped);

#endif
