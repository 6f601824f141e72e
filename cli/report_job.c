// SPDX-License-Identifier: MIT
#include "report_job.h"

#include <errno.h>

#include "output.h"
#include "terminal.h"
#include "util/cleanup.h"
#include "util/log.h"

int report_job_print(struct report_job *job, FILE *out)
{
	char why[1024] = "";

	int err = report_write(
		job->p, job->kind, job->config, job->index, job->symbol, out, why, sizeof(why));
	if (!err || !*why)
		return err;
	log_error("%s", why);
	job->err = err;
	return -ECANCELED;
}

int report_job_show(struct report_job *job)
{
	struct report_config config = *job->config;
	struct report_job shown = *job;

	terminal_dress(&config);
	shown.config = &config;
	int err = report_job_print(&shown, stdout);
	job->err = shown.err;
	return err;
}

int report_job_fill(void *job, int fd)
{
	_cleanup_fclose_ FILE *out = output_stream(fd);

	return out ? report_job_print(job, out) : -errno;
}
