/* SPDX-License-Identifier: MIT */
#include "util/pattern.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define TEXT_MAX	8192
#define REPEAT_MAX	1000 /* RE2's own limit of {n,m} */
#define WORKSPACE_FIRST 1024
#define WORKSPACE_MAX	(1 << 20)

struct pattern {
	char *text;
	pcre2_code *code;
	pcre2_match_data *match;
	int *workspace;
	size_t workspace_size; /* ints */
};

/* ---- what RE2 does not have --------------------------------------------------------------- */

struct scan {
	const char *at;
	const char *problem;
	const char *from; /* what is shown of the pattern with the problem */
	size_t length;
};

static bool refuse(struct scan *s, const char *problem, const char *from, size_t length)
{
	s->problem = problem;
	s->from = from;
	s->length = length;
	return false;
}

static bool scan_escape(struct scan *s)
{
	static const char known[] = "abBdDfnrsStvwWzA0xpPQE";
	const char *start = s->at++;
	char c = *s->at;

	if (!c)
		return refuse(s, "trailing backslash at end of expression", start, 0);
	bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
	if ((letter && !strchr(known, c)) || (unsigned char)c >= 0x80)
		return refuse(s, "invalid escape sequence", start, 2);
	if (c == 'Q') {
		const char *end = strstr(s->at, "\\E");
		s->at = end ? end + 2 : s->at + strlen(s->at);
		return true;
	}
	s->at++;
	return true;
}

static bool scan_class(struct scan *s)
{
	const char *start = s->at++;

	if (*s->at == '^')
		s->at++;
	if (*s->at == ']')
		s->at++;
	while (*s->at && *s->at != ']') {
		const char *end;
		if (*s->at == '\\') {
			if (!scan_escape(s))
				return false;
		} else if (!strncmp(s->at, "[:", 2) && (end = strstr(s->at + 2, ":]"))) {
			s->at = end + 2;
		} else {
			s->at++;
		}
	}
	if (!*s->at)
		return refuse(s, "missing closing ]", start, strlen(start));
	s->at++;
	return true;
}

static bool scan_group(struct scan *s)
{
	const char *start = s->at++;

	if (*s->at == '*')
		return refuse(s, "missing argument to repetition operator", s->at, 1);
	if (*s->at != '?')
		return true;
	s->at++;
	if (!strncmp(s->at, "P<", 2) || (*s->at == '<' && s->at[1] != '=' && s->at[1] != '!'))
		return true;
	s->at += strspn(s->at, "imsU-");
	if (*s->at == ':' || *s->at == ')')
		return true; /* a ')' is the end of the group, seen next */
	return refuse(s, "invalid or unsupported Perl syntax", start,
		(size_t)(s->at - start) + (*s->at != '\0'));
}

/* {n}, {n,} or {n,m}: its length, 0 for literal braces. */
static size_t repeat_length(const char *at, unsigned long *most)
{
	char *end;

	if (at[0] != '{' || at[1] < '0' || at[1] > '9')
		return 0;
	unsigned long least = strtoul(at + 1, &end, 10);
	*most = least;
	if (*end == ',' && end[1] >= '0' && end[1] <= '9') {
		*most = strtoul(end + 1, &end, 10);
		if (*most < least)
			*most = REPEAT_MAX + 1;
	} else if (*end == ',') {
		end++;
	}
	if (least > *most)
		*most = least;
	return *end == '}' ? (size_t)(end - at) + 1 : 0;
}

static size_t quantifier_length(const char *at, unsigned long *most)
{
	*most = 0;
	return *at == '*' || *at == '+' || *at == '?' ? 1 : repeat_length(at, most);
}

/* Behind one element: at most one quantifier, which may be lazy. */
static bool scan_quantifier(struct scan *s)
{
	const char *start = s->at;
	unsigned long most;
	size_t n = quantifier_length(s->at, &most);

	if (!n)
		return true;
	if (most > REPEAT_MAX)
		return refuse(s, "invalid repeat count", start, n);
	s->at += n;
	if (*s->at == '?')
		s->at++;
	n = quantifier_length(s->at, &most);
	if (n)
		return refuse(s, "invalid nested repetition operator", start,
			(size_t)(s->at - start) + n);
	return true;
}

static bool scan(struct scan *s)
{
	while (*s->at) {
		bool fine = true;
		bool opens = *s->at == '(';
		bool element = *s->at != '|' && !opens;
		if (*s->at == '\\')
			fine = scan_escape(s);
		else if (*s->at == '[')
			fine = scan_class(s);
		else if (opens)
			fine = scan_group(s);
		else
			s->at++;
		if (fine && element)
			fine = scan_quantifier(s);
		if (!fine)
			return false;
	}
	return true;
}

/* ---- compiling ---------------------------------------------------------------------------- */

/* Go's words for what PCRE2 finds wrong. */
static void explain(const char *text, int code, size_t offset, char *why, size_t why_size)
{
	static const struct {
		const char *words;
		int code;
		bool one; /* the byte at the offset is shown, else the whole pattern */
	} known[] = {
		{"missing closing )", PCRE2_ERROR_MISSING_CLOSING_PARENTHESIS, false},
		{"unexpected )", PCRE2_ERROR_UNMATCHED_CLOSING_PARENTHESIS, false},
		{"missing argument to repetition operator", PCRE2_ERROR_QUANTIFIER_INVALID, true},
		{"invalid character class range", PCRE2_ERROR_CLASS_RANGE_ORDER, false},
		{"invalid character class range", PCRE2_ERROR_UNKNOWN_POSIX_CLASS, false},
		{"invalid character class range", PCRE2_ERROR_UNKNOWN_UNICODE_PROPERTY, false},
		{"expression too large", PCRE2_ERROR_PATTERN_TOO_LARGE, false},
	};
	char buffer[256];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].code != code)
			continue;
		snprintf(why, why_size, "error parsing regexp: %s: `%.*s`", known[i].words,
			known[i].one ? 1 : (int)strlen(text), text + (known[i].one ? offset : 0));
		return;
	}
	if (pcre2_get_error_message(code, (PCRE2_UCHAR *)buffer, sizeof(buffer)) < 0)
		snprintf(buffer, sizeof(buffer), "error %d", code);
	snprintf(why, why_size, "error parsing regexp: %s: `%s`", buffer, text);
}

static int compile(struct pattern *p, char *why, size_t why_size)
{
	struct scan s = {.at = p->text};
	int code;
	PCRE2_SIZE offset;

	if (strlen(p->text) > TEXT_MAX) {
		snprintf(why, why_size, "error parsing regexp: expression is over %d bytes long",
			TEXT_MAX);
		return -EINVAL;
	}
	if (!scan(&s)) {
		if (s.length)
			snprintf(why, why_size, "error parsing regexp: %s: `%.*s`", s.problem,
				(int)s.length, s.from);
		else
			snprintf(why, why_size, "error parsing regexp: %s: ``", s.problem);
		return -EINVAL;
	}
	/* Go's $ is the end of the text, not what is before a last newline. */
	p->code = pcre2_compile((PCRE2_SPTR)p->text, PCRE2_ZERO_TERMINATED,
		PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
	if (!p->code) {
		explain(p->text, code, offset, why, why_size);
		return -EINVAL;
	}
	p->workspace_size = WORKSPACE_FIRST;
	p->workspace = calloc(p->workspace_size, sizeof(*p->workspace));
	p->match = pcre2_match_data_create(1, NULL);
	return p->workspace && p->match ? 0 : -ENOMEM;
}

int pattern_compile(struct pattern **out, const char *text, char *why, size_t why_size)
{
	struct pattern *p = calloc(1, sizeof(*p));
	int r = p ? 0 : -ENOMEM;

	if (r == 0) {
		p->text = strdup(text);
		r = p->text ? compile(p, why, why_size) : -ENOMEM;
	}
	if (r == -ENOMEM)
		snprintf(why, why_size, "out of memory");
	if (r < 0)
		pattern_free(p);
	else
		*out = p;
	return r;
}

static bool grow_workspace(struct pattern *p)
{
	if (p->workspace_size >= WORKSPACE_MAX)
		return false;
	int *larger = reallocarray(p->workspace, p->workspace_size * 4, sizeof(*larger));
	if (!larger)
		return false;
	p->workspace = larger;
	p->workspace_size *= 4;
	return true;
}

bool pattern_matches_n(struct pattern *p, const char *text, size_t length)
{
	int r;

	do
		r = pcre2_dfa_match(p->code, (PCRE2_SPTR)text, length, 0, PCRE2_DFA_SHORTEST,
			p->match, NULL, p->workspace, p->workspace_size);
	while (r == PCRE2_ERROR_DFA_WSSIZE && grow_workspace(p));
	return r >= 0;
}

bool pattern_matches(struct pattern *p, const char *text)
{
	return pattern_matches_n(p, text, strlen(text));
}

const char *pattern_text(const struct pattern *p)
{
	return p->text;
}

void pattern_free(struct pattern *p)
{
	if (!p)
		return;
	pcre2_match_data_free(p->match);
	pcre2_code_free(p->code);
	free(p->workspace);
	free(p->text);
	free(p);
}
