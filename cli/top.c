// SPDX-License-Identifier: MIT
/* top.c - profctl top: the functions that cost most, as `go tool pprof -top` prints them. */
#include "commands.h"
#include "live.h"
#include "report.h"

static int run(int argc, char **argv)
{
	if (live_is_wanted(argc, argv))
		return live_run(argc, argv);
	return report_run(argc, argv);
}

const struct command COMMAND_TOP = {
	.name = "top",
	.synopsis = "[OPTION...] [[PROGRAM] FILE...]",
	.summary = "Print the functions that cost most",
	.details = REPORT_DETAILS
	"\nWith --live: the host as it is now, again and again (profctl top --live --help).",
	.groups = REPORT_GROUPS,
	.run = run,
};
