// SPDX-License-Identifier: MIT
/* top.c - profctl top: the functions that cost most, as `go tool pprof -top` prints them. */
#include "commands.h"
#include "report.h"

const struct command COMMAND_TOP = {
	.name = "top",
	.synopsis = "[OPTION...] [FILE...]",
	.summary = "Print the functions that cost most",
	.details = REPORT_DETAILS,
	.groups = REPORT_GROUPS,
	.run = report_run,
};
