/* SPDX-License-Identifier: MIT */
/*
 * screen.h - the whole terminal for a while: another screen, no cursor, keys without Enter, and
 * signals that are waited for. Whoever begins ends: on every way out the terminal is as it was.
 * Where standard output is no terminal only signals change.
 */
#ifndef PROFD_CLI_SCREEN_H
#define PROFD_CLI_SCREEN_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <termios.h>

struct screen {
	bool is_terminal, has_keys; /* standard output, standard input */
	bool entered;
	struct termios before;
	sigset_t mask_before;
	int signals; /* descriptor to poll: signalfd */
};

enum screen_event { SCREEN_NOTHING, SCREEN_QUIT, SCREEN_REDRAW };

/* 0 or -errno, explained. screen_end also after a failure. */
int screen_begin(struct screen *s);
void screen_end(struct screen *s);
/* When `signals` can be read. Ctrl-Z stops the program with the terminal given back. */
enum screen_event screen_signal(struct screen *s);
/* When standard input can be read: a key, 0 for none, or -1 at its end. */
int screen_key(void);
/* Shows a frame in place of the last one; in a pipe one behind the other. Lines are cut at the
 * width, and as many are shown as fit; the first is highlighted. */
void screen_draw(struct screen *s, const char *text);
/* 0 where it is no terminal. */
unsigned screen_lines(const struct screen *s);

#endif
