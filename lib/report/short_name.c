/* SPDX-License-Identifier: MIT */
#include "report/short_name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static size_t word_length(const char *at, bool dollars)
{
	size_t n = 0;
	while (is_word(at[n]) || (dollars && at[n] == '$'))
		n++;
	return n;
}

/* "/v2" and up before '/' or '.', once: a module's version. */
static void cut_version(char *name)
{
	for (char *at = name; (at = strstr(at, "/v")); at++) {
		char *digits = at + 2, *end = digits + strspn(digits, "0123456789");
		bool version = end > digits && *digits != '0' &&
			       !(end == digits + 1 && *digits == '1');
		if (!version || (*end != '/' && *end != '.'))
			continue;
		memmove(at, end, strlen(end) + 1);
		return;
	}
}

/* Go: behind the last path element of "a/b.c/pkg.Function". NULL if it is no such name. */
static const char *go_name(const char *name)
{
	const char *rest = NULL;
	for (const char *at = name;;) {
		size_t n = 0;
		while (is_word(at[n]) || at[n] == '-' || at[n] == '.')
			n++;
		if (!n || at[n] != '/')
			break;
		at += n + 1;
		/* "package.anything" must follow */
		size_t package = strcspn(at, ".");
		if (package && at[package] && at[package + 1] && at[package + 1] != '\n')
			rest = at;
	}
	return rest;
}

/* Java: "Class.method" of "org.example.Class.method(int)". Its length goes to *length. */
static const char *java_name(const char *name, size_t *length)
{
	while (is_lower(*name)) {
		size_t n = word_length(name, false);
		if (name[n] != '.')
			return NULL;
		name += n + 1;
	}
	if (!is_upper(*name))
		return NULL;
	size_t n = word_length(name, true);
	if (name[n++] != '.')
		return NULL;
	if (!strncmp(name + n, "<init>", 6))
		n += 6;
	else if (is_lower(name[n]))
		n += word_length(name + n, true);
	else
		return NULL;
	*length = n;
	return !name[n] || name[n] == '(' ? name : NULL;
}

/* "~name<…>" behind "Class::", with its length; 0 if there is none. */
static size_t method_length(const char *at)
{
	size_t n = *at == '~';
	if (!is_word(at[n]) || (at[n] >= '0' && at[n] <= '9'))
		return 0;
	n += word_length(at + n, false);
	if (at[n] == '<') {
		const char *close = strrchr(at + n, '>');
		if (close && !memchr(at + n, '\n', (size_t)(close - at) - n))
			n = (size_t)(close - at) + 1;
	}
	return n;
}

/* C++: "Class::method<T>" of "space::Class::method<T>(int)", where classes are in capitals. */
static const char *cpp_name(const char *name, size_t *length)
{
	const char *found = NULL;
	size_t n;
	for (const char *at = name; (n = word_length(at, false)) && !(*at >= '0' && *at <= '9') &&
				    !strncmp(at + n, "::", 2);
		at += n + 2) {
		size_t method = method_length(at + n + 2);
		if (at > name && is_upper(at[strspn(at, "_")]) && method) {
			found = at;
			*length = n + 2 + method;
		}
	}
	return found;
}

char *short_name(const char *name)
{
	static const char anonymous[] = "(anonymous namespace)::";
	size_t length;
	const char *part;
	if (!strncmp(name, anonymous, sizeof(anonymous) - 1))
		name += sizeof(anonymous) - 1;
	char *whole = strdup(name), *out = NULL;
	if (!whole)
		return NULL;
	cut_version(whole);
	if ((part = go_name(whole))) {
		length = strcspn(part, "\n"); /* `.` in its pattern is no newline */
		out = strndup(part, length);
	} else if ((part = java_name(whole, &length)) || (part = cpp_name(whole, &length))) {
		out = strndup(part, length);
	} else {
		return whole;
	}
	free(whole);
	return out;
}
