// SPDX-License-Identifier: MIT
/*
 * temporary - waits for a line; then soon() allocates 200 blocks of 1,000 bytes and frees each at
 * once, regrow() 100 of 700, makes them 7,000 by realloc and frees them at once; late() frees 10
 * of 2,000 after 1.2 s, hand_over() 50 of 3,000 that another thread frees at once, and
 * keep() allocates 20 of 400 and makes them 4,000 by realloc at once.
 */
#include <pthread.h>
#include <unistd.h>

#include "../truth.h"
#include "truth.h"

#define FUNCTION __attribute__((noipa)) static void
#define MANY	 50

static void *blocks[MANY];

FUNCTION soon(void)
{
	for (int i = 0; i < 200; i++) {
		void *pointer = malloc(1000);

		HIDE(pointer);
		free(pointer);
	}
}

FUNCTION regrow(void)
{
	for (int i = 0; i < 100; i++) {
		void *pointer = malloc(700);

		HIDE(pointer);
		pointer = realloc(pointer, 7000);
		HIDE(pointer);
		free(pointer);
	}
}

FUNCTION late(void)
{
	for (int i = 0; i < 10; i++)
		blocks[i] = malloc(2000);
	usleep(1200000);
	for (int i = 0; i < 10; i++)
		free(blocks[i]);
}

FUNCTION hand_over(void)
{
	for (int i = 0; i < MANY; i++)
		blocks[i] = malloc(3000);
}

FUNCTION keep(void)
{
	for (int i = 0; i < 20; i++) {
		void *pointer = malloc(400);

		HIDE(pointer);
		pointer = realloc(pointer, 4000);
		HIDE(pointer);
	}
}

static void *other(void *unused)
{
	for (int i = 0; i < MANY; i++)
		free(blocks[i]);
	return unused;
}

int main(void)
{
	pthread_t thread;
	char line;

	ready();
	if (read(STDIN_FILENO, &line, 1) < 0)
		return 1;
	soon();
	regrow();
	late();
	keep();
	hand_over();
	return pthread_create(&thread, NULL, other, NULL) || pthread_join(thread, NULL);
}
