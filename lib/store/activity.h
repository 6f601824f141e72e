/* SPDX-License-Identifier: MIT */
/*
 * activity.h - the .activity beside a window, walked in place: one line a second,
 * "unix_second TAB samples TAB pid:samples pid:samples …". Whoever wrote it may have written
 * something else: a line that is none is told from one that is.
 */
#ifndef PROFD_STORE_ACTIVITY_H
#define PROFD_STORE_ACTIVITY_H

#include <stddef.h>
#include <stdint.h>

#define ACTIVITY_MAX_BYTES (64u << 20) /* more is not worth reading */

struct activity {
	const char *at, *end;
};

struct activity_second {
	int64_t second; /* since 1970 */
	uint64_t samples;
	struct activity rest; /* of the line, for activity_next_process */
};

/* The next line. 1, 0 at the end, or -EBADMSG for a line that is to be passed over. */
int activity_next(struct activity *a, struct activity_second *out);
/* The next process of a line. 1, 0 at its end, or -EBADMSG: the rest of the line is lost. */
int activity_next_process(struct activity_second *s, uint32_t *pid, uint64_t *samples);

#endif
