// SPDX-License-Identifier: MIT
#include "terminal.h"

#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_WIDTH 80

bool terminal_is_output(void)
{
	return isatty(STDOUT_FILENO);
}

unsigned terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return DEFAULT_WIDTH;
	return size.ws_col;
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
