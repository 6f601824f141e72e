/* SPDX-License-Identifier: MIT */
/* report.h - the commands that print a report: top, tree, peek, traces, tags, raw, comments, list,
 * weblist, disasm, graph, web, topproto. They share options and a way to run. */
#ifndef PROFD_CLI_REPORT_H
#define PROFD_CLI_REPORT_H

#include "options.h"

extern const struct option_group REPORT_GROUPS[];

#define REPORT_DETAILS                                                                        \
	"Reads FILEs and URLs, of profd or any other producer of pprof. Without them: your\n" \
	"newest recording if it is under an hour old, else the last five minutes of the store."

/* argv[0] is the command's name. Returns the exit code. */
int report_run(int argc, char **argv);

#endif
