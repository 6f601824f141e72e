/* SPDX-License-Identifier: MIT */
/* legacy_text.c - lines, numbers and patterns of the legacy formats. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "profile/legacy_private.h"

#define LINE_MAX_BYTES 65535  /* bufio.Scanner's limit */
#define MATCH_LIMIT    100000 /* steps of one match: far more than a sane line takes */

/* A range of addresses, and what may stand behind it in the lines of /proc/PID/maps and the like.
 */
#define HEX   "(?:0x)?([[:xdigit:]]+)"
#define RANGE "\\s*" HEX "[\\s-]?\\s*" HEX ":?"
#define PERMS "(?:\\s+([-rwxp]+))?"
#define NAME  "(?:\\s+(\\S+))?"

static const char *const PATTERNS[N_LEGACY_PATTERNS] = {
	[LEGACY_COUNT_HEAD] = "\\A(\\S+) profile: total \\d+\\z",
	[LEGACY_COUNT] = "\\A(\\d+) @((?: 0x[0-9a-f]+)+)\\z",
	[LEGACY_HEAP_HEAD] = "heap profile: *(\\d+): *(\\d+) *\\[ *(\\d+): *(\\d+) *\\] *@ "
			     "*(heap[_a-z0-9]*)/?(\\d*)",
	[LEGACY_HEAP] = "(-?\\d+): *(-?\\d+) *\\[ *(\\d+): *(\\d+) *\\] @([ x0-9a-f]*)",
	[LEGACY_GROWTH_HEAD] = "heap profile: *\\d+: *\\d+ *\\[ *\\d+: *\\d+ *\\] @ "
			       "(?:growth|fragmentation)z?",
	[LEGACY_CONTENTION] = "(\\d+) *(\\d+) @([ x0-9a-f]*)",
	[LEGACY_HEX] = "0x[0-9a-f]+",
	[LEGACY_THREADZ] = "--- threadz \\d+ ---",
	[LEGACY_THREAD] = "--- Thread [[:xdigit:]]+ \\(name: .*/\\d+\\) stack: ---",
	[LEGACY_MAPS] = "\\A" RANGE PERMS
			"(?:\\s+([[:xdigit:]]+))?\\s+[[:xdigit:]]+:[[:xdigit:]]+\\s+\\d+" NAME,
	[LEGACY_BRIEF_MAPS] = "\\A" RANGE PERMS NAME
			      "(?:\\s+\\(@([[:xdigit:]]+)\\))?(?:\\s+([[:xdigit:]]+))?",
	[LEGACY_LOG] = "\\A[^\\[\\]]+:[0-9]+\\]\\s",
	[LEGACY_LIBRARY] = "\\.so\\z|\\.so[._][0-9]",
	[LEGACY_JAVA_ATTRIBUTE] = "([\\w ]+)=([\\w ]+)",
	[LEGACY_JAVA_SAMPLE] = " *(\\d+) +(\\d+) +@ +([ x0-9a-f]*)",
	[LEGACY_JAVA_LOCATION] = "\\A\\s*0x([[:xdigit:]]+)\\s+(.*)\\s*\\z",
	[LEGACY_JAVA_FILE_LINE] = "\\A(.*)\\s+\\((.+):(-?\\d+)\\)\\z",
	[LEGACY_JAVA_PATH] = "\\A(.*)\\s+\\((.*)\\)\\z",
};

struct legacy_patterns {
	pcre2_code *codes[N_LEGACY_PATTERNS];
	pcre2_match_data *match;
	pcre2_match_context *context;
};

int legacy_patterns_new(struct legacy_patterns **out)
{
	struct legacy_patterns *p = calloc(1, sizeof(*p));
	bool fine = p != NULL;
	for (size_t i = 0; fine && i < N_LEGACY_PATTERNS; i++) {
		int code;
		PCRE2_SIZE offset;
		p->codes[i] = pcre2_compile(
			(PCRE2_SPTR)PATTERNS[i], PCRE2_ZERO_TERMINATED, 0, &code, &offset, NULL);
		fine = p->codes[i] != NULL;
	}
	if (fine) {
		p->match = pcre2_match_data_create(LEGACY_GROUPS_MAX, NULL);
		p->context = pcre2_match_context_create(NULL);
		fine = p->match && p->context;
	}
	if (!fine) {
		legacy_patterns_free(p);
		return -ENOMEM;
	}
	pcre2_set_match_limit(p->context, MATCH_LIMIT);
	*out = p;
	return 0;
}

void legacy_patterns_free(struct legacy_patterns *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < N_LEGACY_PATTERNS; i++)
		pcre2_code_free(p->codes[i]);
	pcre2_match_data_free(p->match);
	pcre2_match_context_free(p->context);
	free(p);
}

bool legacy_find(const struct legacy *l, enum legacy_pattern pattern, struct span text,
	struct span groups[LEGACY_GROUPS_MAX])
{
	const struct legacy_patterns *p = l->patterns;
	int n = pcre2_match(
		p->codes[pattern], (PCRE2_SPTR)text.at, text.length, 0, 0, p->match, p->context);
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->match);
	for (int i = 0; i < LEGACY_GROUPS_MAX; i++) {
		groups[i] = (struct span){0};
		if (i < n && at[2 * i] != PCRE2_UNSET)
			groups[i] = (struct span){text.at + at[2 * i], at[2 * i + 1] - at[2 * i]};
	}
	return n > 0;
}

/* ---- lines -------------------------------------------------------------------------------- */

struct lines lines_of(const void *data, size_t size)
{
	const char *at = size ? data : "";
	return (struct lines){.at = at, .end = at + size, .line = {at, 0}};
}

bool lines_next(struct lines *s)
{
	s->line = (struct span){s->end, 0};
	if (s->at >= s->end || s->too_long)
		return false;
	size_t left = (size_t)(s->end - s->at);
	const char *newline = memchr(s->at, '\n', left);
	size_t length = newline ? (size_t)(newline - s->at) : left;
	if (length > LINE_MAX_BYTES) {
		s->too_long = true;
		return false;
	}
	s->line = (struct span){s->at, length};
	s->at += length + (newline != NULL);
	if (length && s->line.at[length - 1] == '\r')
		s->line.length--;
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct span span_trim(struct span s)
{
	while (s.length && is_space(*s.at)) {
		s.at++;
		s.length--;
	}
	while (s.length && is_space(s.at[s.length - 1]))
		s.length--;
	return s;
}

bool span_starts(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.length >= n && !memcmp(s.at, prefix, n);
}

bool span_equals(struct span s, const char *text)
{
	return s.length == strlen(text) && !memcmp(s.at, text, s.length);
}

bool span_contains(struct span s, const char *text)
{
	return s.length && memmem(s.at, s.length, text, strlen(text));
}

bool span_is_comment(struct span s)
{
	s = span_trim(s);
	return !s.length || *s.at == '#';
}

/* ---- numbers ------------------------------------------------------------------------------ */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* Takes Go's prefix of a literal off. */
static int literal_base(struct span *s)
{
	static const struct {
		const char *prefix;
		int base;
	} prefixes[] = {{"0x", 16}, {"0X", 16}, {"0b", 2}, {"0B", 2}, {"0o", 8}, {"0O", 8}};
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (!span_starts(*s, prefixes[i].prefix))
			continue;
		s->at += 2;
		s->length -= 2;
		return prefixes[i].base;
	}
	return s->length > 1 && *s->at == '0' ? 8 : 10;
}

int span_address(struct span s, int base, uint64_t *out)
{
	if (base == 0)
		base = literal_base(&s);
	uint64_t value = 0;
	if (!s.length)
		return -EINVAL;
	for (size_t i = 0; i < s.length; i++) {
		int d = digit(s.at[i]);
		if (d >= base || __builtin_mul_overflow(value, (uint64_t)base, &value) ||
			__builtin_add_overflow(value, (uint64_t)d, &value))
			return -EINVAL;
	}
	*out = value;
	return 0;
}

int span_number(struct span s, int base, int64_t *out)
{
	uint64_t value;
	bool negative = s.length && *s.at == '-';
	if (s.length && (*s.at == '-' || *s.at == '+')) {
		s.at++;
		s.length--;
	}
	int r = span_address(s, base, &value);
	if (r < 0)
		return r;
	if (value > (uint64_t)INT64_MAX + negative)
		return -EINVAL;
	*out = (int64_t)(negative ? 0 - value : value);
	return 0;
}

int legacy_refuse(struct legacy *l, struct span line, const char *problem)
{
	int shown = line.length < 80 ? (int)line.length : 80;
	snprintf(l->why, l->why_size, "%s: '%.*s'", problem, shown, line.length ? line.at : "");
	return -EBADMSG;
}
