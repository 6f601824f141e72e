/* SPDX-License-Identifier: MIT */
/* terminal.h - what standard output can show. */
#ifndef PROFD_CLI_TERMINAL_H
#define PROFD_CLI_TERMINAL_H

#include <stdbool.h>

/* Whether it is a terminal. */
bool terminal_is_output(void);
/* Columns of standard output: those of the terminal, 80 in a pipe. */
unsigned terminal_width(void);
/* Whether the user's locale is one of UTF-8 (LC_ALL, LC_CTYPE, LANG, in this order). */
bool terminal_utf8(void);

#endif
