/* SPDX-License-Identifier: MIT */
/*
 * capture.h - writes samples with registers and stack into a file (profd/capture.h), so that
 * another unwinder can be held against ours. For tests: it is much data, and other people's stacks.
 */
#ifndef PROFD_COLLECTOR_CAPTURE_H
#define PROFD_COLLECTOR_CAPTURE_H

#include "collector/processes.h"

struct capture;

/* Creates the file, for its owner only; it must not exist. 0 or -errno. */
int capture_open(struct capture **out, const char *path);
/* Finishes the file; logs if it is not whole. NULL is fine. */
void capture_close(struct capture *c);

/* A sample as it was delivered; miss: where its walk began. */
void capture_write(struct capture *c, const struct profd_sample *sample,
	const struct profd_miss *miss, struct process *process);

#endif
