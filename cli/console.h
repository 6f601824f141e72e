/* SPDX-License-Identifier: MIT */
/*
 * console.h - standard output that cannot be used against its reader: names of functions, threads
 * and files come from whoever was profiled, and a terminal obeys control characters in them.
 */
#ifndef PROFD_CLI_CONSOLE_H
#define PROFD_CLI_CONSOLE_H

#include <stdbool.h>
#include <stdio.h>

/* A stream onto a descriptor that puts '?' in place of control characters other than newline and
 * tab (C0, DEL, and C1 in UTF-8), except for the colours of report/look.h, if `colours`, which end
 * with their line. NULL without memory. Closing it leaves the descriptor open. */
FILE *console_open(int fd, bool colours);
/* On a terminal, makes stdout such a stream. Elsewhere every byte goes out as it is. */
void console_setup(void);

#endif
