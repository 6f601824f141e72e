/* SPDX-License-Identifier: MIT */
/* terminal.h - what standard output can show. */
#ifndef PROFD_CLI_TERMINAL_H
#define PROFD_CLI_TERMINAL_H

#include <stdbool.h>

#include "report/config.h"

/* Whether it is a terminal. */
bool terminal_is_output(void);
/* Whether it shows colours, and the user wants them (NO_COLOR, https://no-color.org; TERM). */
bool terminal_colours(void);
/* Columns of standard output: those of the terminal, 80 in a pipe. */
unsigned terminal_width(void);
/* Colours and width for a report that goes to standard output. */
void terminal_dress(struct report_config *config);
/* Whether the user's locale is one of UTF-8 (LC_ALL, LC_CTYPE, LANG, in this order). */
bool terminal_utf8(void);

#endif
