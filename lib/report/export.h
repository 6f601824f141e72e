/* SPDX-License-Identifier: MIT */
/*
 * export.h - profiles for other tools. Names stay as they are in the profile. Each writer returns
 * 0, -ENOMEM, -E2BIG, or -errno of a failed write; `sample_type` is the value that is shown first,
 * and the only one where a format has room for one.
 *
 * Where samples keep their time (report/threads.h), those formats that have a timeline show it by
 * thread; elsewhere samples stand one behind another, as long as their values.
 */
#ifndef PROFD_REPORT_EXPORT_H
#define PROFD_REPORT_EXPORT_H

#include <errno.h>
#include <stdio.h>

#include "profile/profile.h"

/* https://www.speedscope.app/file-format-schema.json: a sampled profile for each type of value,
 * below frames that stand for process and thread; with times, one for each thread instead. Values
 * that are not positive are left out, since speedscope refuses the file otherwise. */
int speedscope_write(const struct profile *p, size_t sample_type, FILE *out);

/* The processed format of profiler.firefox.com, version 48 (docs-developer/CHANGELOG-formats.md of
 * firefox-devtools/profiler); later versions of the profiler upgrade it. A thread of the format for
 * each thread of the profile. */
int firefox_write(const struct profile *p, size_t sample_type, FILE *out);

/* A trace of Perfetto with a PerfSample for each sample (protos/perfetto/trace of google/perfetto).
 * Such samples have no weight: one that counts n is written n times. Beyond a million, each stands
 * for several; the period in the trace says for how much. Binary. */
int perfetto_write(const struct profile *p, size_t sample_type, FILE *out);

/* profctl's own, documented in profctl(1), "JSON": the whole profile with all values and labels. */
int json_profile_write(const struct profile *p, size_t sample_type, FILE *out);

/* Ends each of them: flushes. 0 or -errno. */
static inline int export_end(FILE *out)
{
	if (fflush(out) == EOF || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}

#endif
