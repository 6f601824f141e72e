/* SPDX-License-Identifier: MIT */
/* record.h - profctl record for other commands, which want the profile itself. */
#ifndef PROFD_CLI_RECORD_H
#define PROFD_CLI_RECORD_H

/* Takes the profile that was recorded, which is nowhere else; the descriptor stays the caller's.
 * seconds: how long all was attached, and seen. Returns 0 or -errno, explained. */
struct record_taker {
	int (*take)(void *userdata, int fd, double seconds);
	void *userdata;
};

/* As `profctl record` with these arguments; argv[0] is "record", argv[argc] NULL. Returns its exit
 * code. */
int record_for(int argc, char **argv, const struct record_taker *taker);

#endif
