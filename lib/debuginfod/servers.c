/* SPDX-License-Identifier: MIT */
#include "debuginfod/servers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define BLANKS	    " \t\r\n\v\f"
#define URL_LONGEST 1024

static bool is_url(const char *text)
{
	const char *host = !strncasecmp(text, "http://", 7)    ? text + 7
			   : !strncasecmp(text, "https://", 8) ? text + 8
							       : "";

	/* A query or a fragment would swallow the path that is put behind it. */
	return *host && *host != '/' && !strpbrk(text, "?#\"'\\<>") && strlen(text) < URL_LONGEST;
}

static int add(struct debuginfod_servers *s, const char *url, char *why, size_t why_size)
{
	char shown[80];

	/* Policies that newer clients know stand among the URLs. */
	if (!strncmp(url, "ima:", 4))
		return 0;
	debuginfod_servers_show(url, shown, sizeof(shown));
	if (!is_url(url)) {
		snprintf(why, why_size, "'%s' is no server: begin it with http:// or https://",
			shown);
		return -EINVAL;
	}
	if (s->n == DEBUGINFOD_MAX_SERVERS) {
		snprintf(why, why_size, "more than %d servers", DEBUGINFOD_MAX_SERVERS);
		return -EINVAL;
	}
	char *copy = strdup(url);
	if (!copy) {
		snprintf(why, why_size, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	for (size_t n = strlen(copy); n && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	s->urls[s->n++] = copy;
	return 0;
}

int debuginfod_servers_parse(
	struct debuginfod_servers *s, const char *text, char *why, size_t why_size)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy;
	int r = 0;

	*s = (struct debuginfod_servers){0};
	if (!copy) {
		snprintf(why, why_size, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	for (char *url; !r && (url = strtok_r(rest, BLANKS, &rest));)
		r = add(s, url, why, why_size);
	return r;
}

void debuginfod_servers_free(struct debuginfod_servers *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->urls[i]);
	*s = (struct debuginfod_servers){0};
}

void debuginfod_servers_show(const char *text, char *out, size_t size)
{
	size_t used = 0;

	for (const char *p = text; *p && used + 1 < size; p++) {
		/* From behind // up to an @ that comes before the next / or blank. */
		if (p - text >= 2 && p[-1] == '/' && p[-2] == '/') {
			size_t n = strcspn(p, "/?#" BLANKS);
			const char *at = memrchr(p, '@', n);

			p = at ? at + 1 : p;
		}
		if (!*p) /* the @ was the last */
			break;
		out[used++] = (unsigned char)*p < ' ' || *p == 127 ? '?' : *p;
	}
	out[used] = '\0';
}
