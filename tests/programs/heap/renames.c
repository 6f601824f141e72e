// SPDX-License-Identifier: MIT
/*
 * renames NAME - waits for a line, allocates 10 times 100 bytes in leak() and says so; waits for
 * another line, has another name then, and says so; and waits for the end of its input.
 */
#include <sys/prctl.h>
#include <unistd.h>

#include "../truth.h"
#include "truth.h"

__attribute__((noipa)) static void leak(void)
{
	void *pointer = malloc(100);

	HIDE(pointer);
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line;

	MUST(argc == 2);
	ready();
	MUST(read(STDIN_FILENO, &line, 1) == 1);
	for (unsigned i = 0; i < 10; i++)
		leak();
	say("leaked");
	MUST(read(STDIN_FILENO, &line, 1) == 1);
	MUST(!prctl(PR_SET_NAME, argv[1]));
	say("renamed");
	return read(STDIN_FILENO, &line, 1) < 0;
}
