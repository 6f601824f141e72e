// SPDX-License-Identifier: MIT
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_WIDTH 80

bool terminal_is_output(void)
{
	return isatty(STDOUT_FILENO);
}

bool terminal_colours(void)
{
	const char *unwanted = getenv("NO_COLOR"), *kind = getenv("TERM");

	return terminal_is_output() && !(unwanted && *unwanted) && kind && *kind &&
	       strcmp(kind, "dumb") != 0;
}

unsigned terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return DEFAULT_WIDTH;
	return size.ws_col;
}

void terminal_dress(struct report_config *config)
{
	config->colours = terminal_colours();
	config->width = terminal_is_output() ? terminal_width() : 0;
}

bool terminal_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = getenv(names[i]);
		if (!value || !*value)
			continue;
		for (; *value; value++)
			if (!strncasecmp(value, "utf-8", 5) || !strncasecmp(value, "utf8", 4))
				return true;
		return false;
	}
	return false;
}
