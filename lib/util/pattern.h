/* SPDX-License-Identifier: MIT */
/*
 * pattern.h - regular expressions as pprof's users type them, in RE2's syntax (Go's regexp).
 *
 * The engine is PCRE2's DFA matcher. PCRE2 because it is C and packaged everywhere, and what RE2
 * accepts means the same to it; its DFA matcher because it does not backtrack, so that no pattern
 * takes exponential time (RE2 itself is C++ only). What PCRE2 has beyond RE2 (look-around, back
 * references, possessive and atomic groups, recursion, verbs) is refused.
 */
#ifndef PROFD_UTIL_PATTERN_H
#define PROFD_UTIL_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

struct pattern;

/* 0; -EINVAL with what is wrong in `why`, worded as Go's regexp does; -ENOMEM. */
int pattern_compile(struct pattern **out, const char *text, char *why, size_t why_size);
/* Whether it matches anywhere in the text, which must be UTF-8 as all texts of a profile are. A
 * match that needs too much memory is none. */
bool pattern_matches(struct pattern *p, const char *text);
bool pattern_matches_n(struct pattern *p, const char *text, size_t length);
/* As it was given. */
const char *pattern_text(const struct pattern *p);
void pattern_free(struct pattern *p);

#endif
