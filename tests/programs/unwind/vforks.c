// SPDX-License-Identifier: MIT
/* vforks SECONDS - a child burns on its parent's stack while that waits; then the parent burns. */
#include <stdlib.h>
#include <sys/wait.h>

#include "spin.h"

FRAME void child_burn(void)
{
	spin(40 * MS);
}

FRAME void parent_burn(void)
{
	spin(40 * MS);
}

FRAME void one_turn(void)
{
	pid_t child = vfork();

	if (!child) {
		child_burn();
		_exit(0);
	}
	if (child < 0)
		abort();
	parent_burn();
	waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (;;) {
		one_turn();
		STAY();
	}
}
