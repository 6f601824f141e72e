/* SPDX-License-Identifier: MIT */
/* live.h - profctl top --live: what the host does now, again and again, until q. */
#ifndef PROFD_CLI_LIVE_H
#define PROFD_CLI_LIVE_H

#include <stdbool.h>

/* Whether these words of `top` ask for it. */
bool live_is_wanted(int argc, char **argv);
/* Runs `top` with them; returns the exit code. */
int live_run(int argc, char **argv);

#endif
