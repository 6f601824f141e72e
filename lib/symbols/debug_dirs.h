/* SPDX-License-Identifier: MIT */
/*
 * debug_dirs.h - where debug files lie: GDB's manual, "Debugging Information in Separate Files".
 * Who asked checks build-id or CRC of what it gets; here only the place is checked.
 */
#ifndef PROFD_SYMBOLS_DEBUG_DIRS_H
#define PROFD_SYMBOLS_DEBUG_DIRS_H

/* Opens a debug file by its name (debug_name.h): a build-id in hex, or HELPER_KERNEL, below the
 * debug folders; a base name, beside the file that asks (`near`, its folder; may be NULL) and below
 * the debug folders; or the path of a .dwo file, there and below the debug folders. Outside of
 * these it must be readable by all. Those are the system's, the target's own, and `more`, separated
 * by colons. target: root folder that the asking file was found below, -1 where that is `own`, the
 * caller's. A descriptor for reading (the caller's), or -errno. */
int debug_dirs_open(const char *name, const char *near, int target, int own, const char *more);

#endif
