/* SPDX-License-Identifier: MIT */
#include "util/parse.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Takes decimal digits off the front of *text. */
static int take_u64(const char **text, uint64_t *out)
{
	const char *s = *text;
	uint64_t value = 0;
	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return -ERANGE;
	}
	*text = s;
	*out = value;
	return 0;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t value;
	int r = take_u64(&text, &value);
	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	if (value < min || value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

int parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t value;
	int r = parse_u64(text, min, max, &value);
	if (r == 0)
		*out = (uint32_t)value;
	return r;
}

int parse_size(const char *text, uint64_t *out)
{
	static const char letters[] = "kmgt";
	uint64_t value;
	int r = take_u64(&text, &value);
	if (r < 0)
		return r;
	unsigned shift = 0;
	const char *letter = *text ? strchr(letters, *text | 0x20) : NULL;
	if (letter) {
		shift = 10 * (unsigned)(letter - letters + 1);
		text++;
		if (*text == 'i' && text[1] == 'B')
			text++;
	}
	if (*text == 'B')
		text++;
	if (*text)
		return -EINVAL;
	if (value > UINT64_MAX >> shift)
		return -ERANGE;
	*out = value << shift;
	return 0;
}

static uint64_t unit_seconds(char unit)
{
	switch (unit) {
	case 'd':
		return 86400;
	case 'h':
		return 3600;
	case 'm':
		return 60;
	case 's':
		return 1;
	default:
		return 0;
	}
}

int parse_duration(const char *text, uint64_t *out)
{
	uint64_t total = 0;
	uint64_t last_unit = UINT64_MAX;
	do {
		uint64_t value;
		int r = take_u64(&text, &value);
		if (r < 0)
			return r;
		uint64_t unit = 1;
		if (*text) {
			unit = unit_seconds(*text++);
			if (!unit)
				return -EINVAL;
		} else if (last_unit != UINT64_MAX) {
			return -EINVAL; /* "1h30": thirty what? */
		}
		if (unit >= last_unit)
			return -EINVAL;
		last_unit = unit;
		if (__builtin_mul_overflow(value, unit, &value) ||
			__builtin_add_overflow(total, value, &total))
			return -ERANGE;
	} while (*text);
	*out = total;
	return 0;
}

int parse_bool(const char *text, bool *out)
{
	static const char *const yes[] = {"yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};
	for (size_t i = 0; i < 4; i++) {
		if (!strcasecmp(text, yes[i]) || !strcasecmp(text, no[i])) {
			*out = !strcasecmp(text, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}

/* ---- points in time ----------------------------------------------------------------------- */

/* Takes exactly `digits` digits, or one or two where digits is 0. */
static int take_field(const char **text, unsigned digits, int *out)
{
	const char *s = *text;
	int value = 0;
	unsigned n = 0;
	unsigned most = digits ? digits : 2;
	while (n < most && *s >= '0' && *s <= '9') {
		value = value * 10 + (*s++ - '0');
		n++;
	}
	if (!n || (digits && n != digits))
		return -EINVAL;
	*text = s;
	*out = value;
	return 0;
}

static bool take_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

/* HH:MM[:SS] */
static int take_clock(const char **text, struct tm *tm)
{
	int r = take_field(text, 0, &tm->tm_hour);
	if (r < 0 || !take_char(text, ':'))
		return -EINVAL;
	if (take_field(text, 2, &tm->tm_min) < 0)
		return -EINVAL;
	tm->tm_sec = 0;
	if (take_char(text, ':') && take_field(text, 2, &tm->tm_sec) < 0)
		return -EINVAL;
	if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 59)
		return -ERANGE;
	return 0;
}

static int to_time(struct tm *tm, bool utc, time_t *out)
{
	tm->tm_isdst = -1;
	errno = 0;
	time_t t = utc ? timegm(tm) : mktime(tm);
	if (t == (time_t)-1 && errno)
		return -ERANGE;
	*out = t;
	return 0;
}

static int parse_date(const char *text, time_t *out)
{
	struct tm tm = {0};
	int year, month, day;
	if (take_field(&text, 4, &year) < 0 || !take_char(&text, '-') ||
		take_field(&text, 2, &month) < 0 || !take_char(&text, '-') ||
		take_field(&text, 2, &day) < 0)
		return -EINVAL;
	if (month < 1 || month > 12 || day < 1 || day > 31)
		return -ERANGE;
	if (*text) {
		if (!take_char(&text, ' ') && !take_char(&text, 'T'))
			return -EINVAL;
		int r = take_clock(&text, &tm);
		if (r < 0)
			return r;
	}
	bool utc = take_char(&text, 'Z');
	if (*text)
		return -EINVAL;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	int r = to_time(&tm, utc, out);
	/* mktime turns February 30 into March: not what was meant. */
	return r < 0 ? r : tm.tm_mday == day ? 0 : -ERANGE;
}

static int local_midnight(time_t now, int days_back, time_t *out)
{
	struct tm tm;
	if (!localtime_r(&now, &tm))
		return -ERANGE;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday -= days_back;
	return to_time(&tm, false, out);
}

/* "14:00": today's, or yesterday's if that is still to come. */
static int parse_clock(const char *text, time_t now, time_t *out)
{
	struct tm wanted = {0};
	int r = take_clock(&text, &wanted);
	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	for (int days_back = 0; days_back < 2; days_back++) {
		struct tm tm;
		if (!localtime_r(&now, &tm))
			return -ERANGE;
		tm.tm_hour = wanted.tm_hour;
		tm.tm_min = wanted.tm_min;
		tm.tm_sec = wanted.tm_sec;
		tm.tm_mday -= days_back;
		r = to_time(&tm, false, out);
		if (r < 0 || *out <= now)
			return r;
	}
	return 0;
}

static int parse_ago(const char *text, size_t length, time_t now, time_t *out)
{
	char duration[64];
	uint64_t seconds;
	if (length >= sizeof(duration))
		return -EINVAL;
	memcpy(duration, text, length);
	duration[length] = '\0';
	int r = parse_duration(duration, &seconds);
	if (r < 0)
		return r;
	if (seconds > INT64_MAX || __builtin_sub_overflow(now, (time_t)seconds, out))
		return -ERANGE;
	return 0;
}

int parse_time(const char *text, time_t now, time_t *out)
{
	size_t length = strlen(text);
	uint64_t seconds;
	if (!strcmp(text, "now")) {
		*out = now;
		return 0;
	}
	if (!strcmp(text, "today"))
		return local_midnight(now, 0, out);
	if (!strcmp(text, "yesterday"))
		return local_midnight(now, 1, out);
	if (*text == '-')
		return parse_ago(text + 1, length - 1, now, out);
	if (length > 4 && !strcmp(text + length - 4, " ago"))
		return parse_ago(text, length - 4, now, out);
	if (*text == '@') {
		int r = parse_u64(text + 1, 0, INT64_MAX, &seconds);
		if (r == 0)
			*out = (time_t)seconds;
		return r;
	}
	if (length > 4 && text[4] == '-')
		return parse_date(text, out);
	return parse_clock(text, now, out);
}
