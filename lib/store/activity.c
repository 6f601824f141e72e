/* SPDX-License-Identifier: MIT */
#include "store/activity.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool take_number(struct activity *a, uint64_t max, uint64_t *out)
{
	const char *start = a->at;
	uint64_t value = 0;

	for (; a->at < a->end && *a->at >= '0' && *a->at <= '9'; a->at++) {
		unsigned digit = (unsigned)(*a->at - '0');
		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return a->at > start;
}

static bool take_char(struct activity *a, char c)
{
	return a->at < a->end && *a->at == c && a->at++;
}

int activity_next(struct activity *a, struct activity_second *out)
{
	uint64_t second;

	if (a->at == a->end)
		return 0;
	const char *newline = memchr(a->at, '\n', (size_t)(a->end - a->at));
	struct activity line = {a->at, newline ? newline : a->end};
	a->at = newline ? newline + 1 : a->end;
	/* A file that was cut off may end in half a number. */
	if (!newline || !take_number(&line, INT64_MAX, &second) || !take_char(&line, '\t') ||
		!take_number(&line, INT64_MAX, &out->samples) || !take_char(&line, '\t'))
		return -EBADMSG;
	out->second = (int64_t)second;
	out->rest = line;
	return 1;
}

int activity_next_process(struct activity_second *s, uint32_t *pid, uint64_t *samples)
{
	struct activity *a = &s->rest;
	uint64_t number;

	if (a->at == a->end)
		return 0;
	if (!take_number(a, UINT32_MAX, &number) || !take_char(a, ':') ||
		!take_number(a, INT64_MAX, samples) || (a->at < a->end && !take_char(a, ' '))) {
		a->at = a->end;
		return -EBADMSG;
	}
	*pid = (uint32_t)number;
	return 1;
}
