// SPDX-License-Identifier: MIT
/*
 * peaks - waits for a line, before its end for another, and has two peaks: first() with 300 blocks
 * of 1,000 bytes, which are freed, and 0.2 s later second(), the higher one, with 400, before each
 * of which churn() allocates and frees 500; half of them are freed before third() allocates 100.
 * base() has 10 of 100 all the time.
 */
#include <unistd.h>

#include "../truth.h"
#include "truth.h"

#define FUNCTION __attribute__((noipa)) static void

static void *blocks[400];

FUNCTION base(void)
{
	for (int i = 0; i < 10; i++) {
		void *pointer = malloc(100);

		HIDE(pointer);
	}
}

FUNCTION first(void)
{
	for (int i = 0; i < 300; i++)
		blocks[i] = malloc(1000);
}

FUNCTION churn(void)
{
	void *pointer = malloc(500);

	HIDE(pointer);
	free(pointer);
}

FUNCTION second(void)
{
	for (int i = 0; i < 400; i++) {
		churn();
		blocks[i] = malloc(1000);
	}
}

FUNCTION third(void)
{
	for (int i = 0; i < 100; i++) {
		void *pointer = malloc(1000);

		HIDE(pointer);
	}
}

static void free_blocks(int begin, int end)
{
	for (int i = begin; i < end; i++)
		free(blocks[i]);
}

int main(void)
{
	char line;

	ready();
	if (read(STDIN_FILENO, &line, 1) < 0)
		return 1;
	base();
	first();
	free_blocks(0, 300);
	usleep(200000);
	second();
	free_blocks(0, 200);
	third();
	free_blocks(200, 400);
	return read(STDIN_FILENO, &line, 1) < 0;
}
