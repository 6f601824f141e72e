/* SPDX-License-Identifier: MIT */
/*
 * parse.h - numbers, sizes, durations and times as people type them. All are strict: the whole
 * text must match, and out-of-range is an error. 0 or -EINVAL, -ERANGE.
 */
#ifndef PROFD_UTIL_PARSE_H
#define PROFD_UTIL_PARSE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);
int parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *out);
/* "512", "64K", "1G", "10MiB": powers of 1024, bytes. */
int parse_size(const char *text, uint64_t *out);
/* "90", "90s", "10m", "2h", "7d", "1h30m": seconds. */
int parse_duration(const char *text, uint64_t *out);
/* yes/no/true/false/on/off/1/0 */
int parse_bool(const char *text, bool *out);
/* A point in time: "2026-11-21 14:00[:30]", "2026-11-21T14:00:30Z", "14:00" (the last one past),
 * "10m ago" or "-10m",
 * "@1700000000", "now", "today", "yesterday". Local time unless Z. `now` is what relative forms
 * count from. */
int parse_time(const char *text, time_t now, time_t *out);

#endif
