// SPDX-License-Identifier: MIT
#include "suppressions.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"
#include "util/pattern.h"

#define MAX_PATTERNS 10000
#define MAX_LINE     4096

/* Without spaces around it. */
static char *trimmed(char *line)
{
	size_t n;

	while (isspace((unsigned char)*line))
		line++;
	for (n = strlen(line); n && isspace((unsigned char)line[n - 1]); n--)
		line[n - 1] = '\0';
	return line;
}

static int add_line(struct suppressions *s, char *line, char *why, size_t why_size)
{
	const char *text = trimmed(line);
	int r;

	if (!*text || *text == '#')
		return 0;
	if (s->n == MAX_PATTERNS) {
		snprintf(why, why_size, "more than %d patterns: join some with |", MAX_PATTERNS);
		return -E2BIG;
	}
	r = grow(s->patterns, s->n, s->capacity, 1);
	if (!r)
		r = pattern_compile(&s->patterns[s->n], text, why, why_size);
	if (!r)
		s->n++;
	return r;
}

static int read_lines(struct suppressions *s, FILE *f, const char *path)
{
	char line[MAX_LINE], why[512];
	unsigned number = 0;
	int result = 0;

	while (fgets(line, sizeof(line), f)) {
		bool whole = strchr(line, '\n') || feof(f);
		int r = -EINVAL;

		number++;
		snprintf(why, sizeof(why), "the line is longer than %d bytes", MAX_LINE - 2);
		if (whole) {
			*why = '\0';
			r = add_line(s, line, why, sizeof(why));
		}
		if (r)
			log_error("%s:%u: %s", path, number, *why ? why : strerror(-r));
		if (r && !result)
			result = r;
		if (!whole || (r && r != -EINVAL))
			return result;
	}
	return ferror(f) ? -EIO : result;
}

int suppressions_load(struct suppressions *s, const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	int r;

	if (!f) {
		r = -errno;
		log_error("the suppressions %s cannot be read: %s", path, strerror(-r));
		return r;
	}
	r = read_lines(s, f, path);
	if (r == -EIO)
		log_error("the suppressions %s cannot be read: %s", path, strerror(EIO));
	return r;
}

bool suppressions_match(const struct suppressions *s, const char *function)
{
	for (size_t i = 0; i < s->n; i++)
		if (pattern_matches(s->patterns[i], function))
			return true;
	return false;
}

void suppressions_free(struct suppressions *s)
{
	for (size_t i = 0; i < s->n; i++)
		pattern_free(s->patterns[i]);
	free(s->patterns);
	*s = (struct suppressions){0};
}
