/* SPDX-License-Identifier: MIT */
/* commands.h - what profctl can do: each is one file here. */
#ifndef PROFD_CLI_COMMANDS_H
#define PROFD_CLI_COMMANDS_H

#include "options.h"

extern const struct command COMMAND_RECORD, COMMAND_EXPORT, COMMAND_TOP, COMMAND_LS, COMMAND_STATUS,
	COMMAND_MERGE, COMMAND_DIFF, COMMAND_FLAME, COMMAND_SYMBOLIZE, COMMAND_SYMBOLS,
	COMMAND_LEAKS, COMMAND_SNAPSHOT;
/* Reports (report.c). */
extern const struct command COMMAND_TREE, COMMAND_TOPPROTO, COMMAND_PEEK, COMMAND_LIST,
	COMMAND_WEBLIST, COMMAND_DISASM, COMMAND_TRACES, COMMAND_TAGS, COMMAND_RAW,
	COMMAND_COMMENTS, COMMAND_GRAPH, COMMAND_WEB;

/* The prompt (prompt.c): profctl FILE. */
extern const struct command COMMAND_PROMPT;

#endif
