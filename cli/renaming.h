/* SPDX-License-Identifier: MIT */
/*
 * renaming.h - the names of a profile's functions as somebody wants them: short, or whole. They are
 * made anew from the raw symbols that the profile keeps beside them (system_name), by the
 * symbolizer, since anybody may have written those.
 */
#ifndef PROFD_CLI_RENAMING_H
#define PROFD_CLI_RENAMING_H

#include <stdbool.h>

#include "output.h"
#include "profile/profile.h"

/* short, templates or full; anything else: false. */
bool renaming_is_kind(const char *kind);
/* Functions whose raw symbol is one of C++, Rust or D get names of this kind; what cannot be read
 * is left as it is. short: without parameters, and C++ without template arguments; templates:
 * with these, as profd stores them; full: with both. 0, -ENOMEM,
 * -E2BIG; or -EIO, explained: the symbolizer does not work. */
int renaming_run(struct profile *p, const char *kind);
/* A profile as pprof with other names: an anonymous file, the caller's; or -errno, also of reading
 * it. */
int renaming_copy(int from, const char *kind);
/* Copies a profile to the output, with names of this kind, or as it is with NULL. What was recorded
 * is not lost for names: *unnamed is 0, or -errno, explained, why it has those it had. 0 or -errno,
 * explained. */
int renaming_write(struct output *out, int from, const char *kind, int *unnamed);

#endif
