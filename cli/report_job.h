/* SPDX-License-Identifier: MIT */
/* report_job.h - one report on its way to a stream or a descriptor. */
#ifndef PROFD_CLI_REPORT_JOB_H
#define PROFD_CLI_REPORT_JOB_H

#include <stdio.h>

#include "report/report.h"

struct report_job {
	struct profile *p; /* is changed */
	enum report_kind kind;
	const struct report_config *config;
	size_t index;	    /* sample type */
	const char *symbol; /* pattern of the kinds that need one */
	int err;	    /* why there is no report; explained */
};

/* Prints to standard output, as the terminal that it may be can show it. As report_job_print(). */
int report_job_show(struct report_job *job);
/* 0; -ECANCELED when job->err says why there is none; -errno of a failed write. */
int report_job_print(struct report_job *job, FILE *out);
/* The same to a descriptor, for output_write() and picture_write(): `job` is a report_job. */
int report_job_fill(void *job, int fd);

#endif
