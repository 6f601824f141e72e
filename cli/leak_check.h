/* SPDX-License-Identifier: MIT */
/* leak_check.h - record --leak-check: what of the memory that a command has in use at its end is
 * likely to have leaked. */
#ifndef PROFD_CLI_LEAK_CHECK_H
#define PROFD_CLI_LEAK_CHECK_H

#include <stdbool.h>

#include "leaks_report.h"

struct leak_check {
	const char *how; /* as it was given: "" or "full"; NULL: not wanted */
	bool wanted, full;
	const char *min, *suppressions; /* as they were given, or NULL */
	struct leaks_view view;
	size_t found; /* stacks that leak */
	bool blind;   /* nothing was seen that could leak */
};

/* What is wrong with its options, or NULL. */
const char *leak_check_options(struct leak_check *c);
/* Before the command starts. 0 or -errno, explained. To be freed also then. */
int leak_check_prepare(struct leak_check *c);
/* Prints what is found in the heap profile to standard error, and the commands that show more; it
 * is at fd, or if that is -1 in the file `path`. path NULL: it is no file. seconds: as
 * record_taker.take has it. 0 or -errno, explained. */
int leak_check_run(struct leak_check *c, int fd, const char *path, double seconds);
/* Says instead that nothing was seen. sample_bytes: as it was recorded. */
void leak_check_refuse(struct leak_check *c, uint32_t sample_bytes);
void leak_check_free(struct leak_check *c);

#endif
