/* SPDX-License-Identifier: MIT */
/*
 * suppressions.h - a file of leaks that are known: one regular expression a line, which may match
 * the name of any function of a stack. Empty lines, and what begins with #, say nothing.
 */
#ifndef PROFD_CLI_SUPPRESSIONS_H
#define PROFD_CLI_SUPPRESSIONS_H

#include <stdbool.h>
#include <stddef.h>

struct pattern;

/* Zero-initialised has none. */
struct suppressions {
	struct pattern **patterns;
	size_t n, capacity;
};

/* 0, or -errno, explained: each line that is wrong with its number. To be freed also then. */
int suppressions_load(struct suppressions *s, const char *path);
bool suppressions_match(const struct suppressions *s, const char *function);
void suppressions_free(struct suppressions *s);

#endif
