// SPDX-License-Identifier: MIT
/*
 * steps N [MS] - waits for a line, then takes N steps, one each MS milliseconds (20), of functions
 * of their own: churn() allocates 1,000 bytes and frees them, leak() 100 bytes and does not, grow()
 * reallocates 1,000 to 10,000 bytes.
 */
#include <unistd.h>

#include "../truth.h"
#include "truth.h"

#define FUNCTION __attribute__((noipa)) static void

FUNCTION churn(void)
{
	void *pointer = malloc(1000);

	HIDE(pointer);
	free(pointer);
}

FUNCTION leak(void)
{
	void *pointer = malloc(100);

	HIDE(pointer);
}

FUNCTION grow(void)
{
	void *pointer = NULL;

	for (size_t size = 1000; size <= 10000; size += 1000) {
		pointer = realloc(pointer, size);
		HIDE(pointer);
	}
	free(pointer);
}

int main(int argc, char **argv)
{
	uint64_t steps = argument(argc, argv, 1, 100), ms = argument(argc, argv, 2, 20);
	char line;

	ready();
	if (read(STDIN_FILENO, &line, 1) < 0)
		return 1;
	for (uint64_t i = 0; i < steps; i++) {
		churn();
		leak();
		grow();
		usleep((useconds_t)ms * 1000);
	}
	return 0;
}
