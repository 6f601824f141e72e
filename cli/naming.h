/* SPDX-License-Identifier: MIT */
/*
 * naming.h - names for the addresses of a profile that come without: functions, lines and inlined
 * calls, from the files of its mappings and their debug files, by the symbolizer.
 */
#ifndef PROFD_CLI_NAMING_H
#define PROFD_CLI_NAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/* What became of the addresses of one mapping. */
struct naming_report {
	const char *path;	/* of the file, as the profile names it */
	size_t wanted, named;	/* addresses without names, and those that have one now */
	bool memory;		/* it is no file, and none was looked for */
	bool checked;		/* by build-id: it is the file that was mapped */
	size_t outside;		/* of those wanted: where the file has no code */
	uint32_t sources;	/* enum symbolizer_answer_flags, what the file has to name with */
	const char *debug_file; /* that was used, or NULL */
	const char *why;	/* why there are no names at all, or NULL */
	const char *failure;	/* why there are names only, and no lines, or NULL */
	const char *servers; /* what debuginfod's said, who did not give the debug file, or NULL */
};

struct debug_servers;

struct naming {
	const char *debug_dirs;	       /* as symbol_client_init takes them */
	struct debug_servers *servers; /* asked for debug files that nobody has here; or NULL */
	bool templates;		       /* C++ names keep their template arguments */
	/* Also what somebody tried to name before: in mappings that say they have names, frames
	 * without, and profd's own [module+0x1a2b]. Else these mappings are left alone. */
	bool again;
	void (*told)(void *userdata, const struct naming_report *report); /* once a mapping */
	void *userdata;
};

/* A text of an answer (symbols/answer.h) as a string of the profile: without control characters,
 * and if it is to be shortened, without template arguments. Or -errno. */
int64_t naming_text(struct profile *p, const char *from, bool shorten);
/* 0, -ENOMEM, -E2BIG; what cannot be named is told, and no failure. */
int naming_run(struct profile *p, const struct naming *n);

#endif
