// SPDX-License-Identifier: MIT
/*
 * steady N - waits for a line, then allocates 1,000 bytes and frees them, N times each millisecond,
 * however long that takes, until there is another line. Prints how often it did.
 */
#include <poll.h>
#include <unistd.h>

#include "../truth.h"
#include "truth.h"

__attribute__((noipa)) static void churn(void)
{
	void *pointer = malloc(1000);

	HIDE(pointer);
	free(pointer);
}

int main(int argc, char **argv)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	uint64_t n = argument(argc, argv, 1, 100), done = 0;
	char line;

	ready();
	if (read(STDIN_FILENO, &line, 1) < 0)
		return 1;
	for (uint64_t start = wall_ns(); poll(&input, 1, 0) == 0;) {
		uint64_t due = (wall_ns() - start) / 1000000 * n;

		if (done >= due)
			usleep(200);
		for (; done < due; done++)
			churn();
	}
	printf("pairs %llu\n", (unsigned long long)done);
	return 0;
}
