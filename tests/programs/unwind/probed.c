// SPDX-License-Identifier: MIT
/*
 * probed SECONDS THREADS - all threads call hit() in a tight loop: from a recursion, from the C
 * library's qsort(), and from another library.
 */
#include <pthread.h>

#include "spin.h"

#define MAX_THREADS 64

void walk(unsigned n, void (*visit)(void));

FRAME void hit(void)
{
	spin(100);
}

FRAME void descend(unsigned n)
{
	char room[40];

	HOLD(room);
	if (n > 1)
		descend(n - 1);
	else
		hit();
	HOLD(room);
}

FRAME int compare(const void *a, const void *b)
{
	hit();
	return *(const int *)a - *(const int *)b;
}

FRAME void sort_all(int *numbers, size_t n)
{
	qsort(numbers, n, sizeof(*numbers), compare);
	STAY();
}

FRAME void visitor(void)
{
	char room[72];

	HOLD(room);
	hit();
	HOLD(room);
}

FRAME void turn(void)
{
	int numbers[] = {7, 3, 9, 1, 5, 2};

	descend(20);
	sort_all(numbers, sizeof(numbers) / sizeof(*numbers));
	walk(7, visitor);
	STAY();
}

FRAME void *body(void *unused)
{
	for (;;)
		turn();
	return unused;
}

int main(int argc, char **argv)
{
	unsigned n = (unsigned)argument(argc, argv, 2, 4);
	pthread_t thread;

	for (unsigned i = 1; i < n && i < MAX_THREADS; i++)
		if (pthread_create(&thread, NULL, body, NULL))
			return 1;
	begin(argc, argv);
	for (;;)
		turn();
}
