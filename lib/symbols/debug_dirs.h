/* SPDX-License-Identifier: MIT */
/*
 * debug_dirs.h - where debug files lie: GDB's manual, "Debugging Information in Separate Files".
 * Who asked checks build-id or CRC of what it gets; here only the place is checked.
 */
#ifndef PROFD_SYMBOLS_DEBUG_DIRS_H
#define PROFD_SYMBOLS_DEBUG_DIRS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DEBUG_ANY_OWNER ((uid_t)-1)

struct debug_roots {
	int target;	/* root folder that the asking file was found below; -1: it is `own` */
	int own;	/* the caller's */
	uid_t owner;	/* of the asking file */
	uint64_t inode; /* likewise: it is no debug file of its own. 0: unknown */
	/* For who must know where it hangs, if it does; may be NULL. Called ahead of the system's
	 * folders and `more` (system is true), and ahead of looking elsewhere again. */
	void (*enter)(void *userdata, bool system);
	void *userdata;
};

/* Opens a debug file by its name (debug_name.h): a build-id in hex, or HELPER_KERNEL, below the
 * debug folders; a base name, beside the file that asks (`near`, its folder; may be NULL) and below
 * the debug folders; or the path of a .dwo file, there and below the debug folders. Those are the
 * system's, the target's own, and `more`, separated by colons. Outside of the system's and `more`
 * it must be readable by all, and belong to root or to the owner of the asking file (a .dwo file
 * below our own root may be anybody's): what is open by two users is named for both by what either
 * has. A descriptor for reading (the caller's), or -errno. */
int debug_dirs_open(
	const char *name, const char *near, const struct debug_roots *roots, const char *more);

#endif
