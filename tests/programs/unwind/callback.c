// SPDX-License-Identifier: MIT
/* callback SECONDS - the C library's qsort() calls compare(), which burns. */
#include "spin.h"

FRAME int compare(const void *a, const void *b)
{
	spin(MS);
	return *(const int *)a - *(const int *)b;
}

FRAME void sort_all(int *numbers, size_t n)
{
	qsort(numbers, n, sizeof(*numbers), compare);
	STAY();
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (;;) {
		int numbers[] = {7, 3, 9, 1, 5, 2};

		sort_all(numbers, sizeof(numbers) / sizeof(*numbers));
	}
}
