/* SPDX-License-Identifier: MIT */
/*
 * prompt.h - profctl FILE: a profile is loaded once, and commands that pprof's users know are read
 * from a prompt (top10, list main, web, focus=…, sample_index=…, options, help, quit).
 */
#ifndef PROFD_CLI_PROMPT_H
#define PROFD_CLI_PROMPT_H

#include <stdio.h>

#include "profile/profile.h"
#include "query.h"
#include "report/report.h"
#include "report_options.h"

enum prompt_way {
	PROMPT_TEXT,	/* to the terminal */
	PROMPT_BINARY,	/* to a file or pipe */
	PROMPT_PICTURE, /* to a file */
	PROMPT_VIEWER,	/* to a browser */
};

struct prompt_command {
	const char *name;
	enum report_kind kind;
	enum prompt_way way;
	const char *suffix; /* of the file of a picture */
	const char *help;
};

/* Ends with a NULL name. */
extern const struct prompt_command PROMPT_COMMANDS[];
/* Names that can be assigned to; ends with NULL. */
extern const char *const PROMPT_VARIABLES[];

struct prompt {
	struct profile *p; /* as it was loaded */
	struct query query;
	struct report_request request; /* what assignments have changed */
	const char *output;
	struct texts owned; /* texts that the request points to */
	bool ended;
	bool failed; /* a command */
};

/* One line: an assignment, a report, or a word such as help. Explains what is wrong with it. */
void prompt_line(struct prompt *s, const char *line);
/* "name=value", "name": 0; -ENOENT if there is no such name; -EINVAL, explained. */
int prompt_assign(struct prompt *s, const char *name, const char *value);
void prompt_print_options(const struct prompt *s, FILE *out);
/* help [NAME] */
void prompt_print_help(const char *name, FILE *out);

/* Reads lines, from a terminal with history and completion, until the end or quit. 0 or -errno. */
int prompt_read(struct prompt *s);

#endif
