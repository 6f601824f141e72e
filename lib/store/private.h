/* SPDX-License-Identifier: MIT */
/* private.h - what the files of lib/store share. */
#ifndef PROFD_STORE_PRIVATE_H
#define PROFD_STORE_PRIVATE_H

#include "store/store.h"

#define STORE_RECORDS  "records"
#define STORE_PROFILE  ".pb.gz"
#define STORE_ACTIVITY ".activity"
#define STORE_TMP      ".tmp-"

struct store {
	char *path; /* absolute */
	int dir;
	int lock; /* -1: opened for reading */
	gid_t group;
	unsigned counter; /* of temporary files */
	/* Of the last clean-up: when (CLOCK_MONOTONIC s, 0: never), to which limits, and what was
	 * written since (bytes). */
	uint64_t retained, max_age, max_size, written;
};

/* "cpu": lower case letters and digits, and not the folder of recordings. */
bool store_is_type(const char *name);
bool store_has_suffix(const char *name, const char *suffix);
/* A copy with another suffix; NULL without memory. `name` must end in `from`. */
char *store_change_suffix(const char *name, const char *from, const char *to);

/* Opens a folder below another, never through a symbolic link. A descriptor or -errno. */
int store_open_folder(int parent, const char *name);
/* Calls `visit` for each entry whose name does not begin with a dot. An entry that vanishes
 * meanwhile is none. Stops at the first negative return, which it returns. 0 or -errno. */
int store_each(
	int folder, int (*visit)(void *userdata, int folder, const char *name), void *userdata);

#endif
