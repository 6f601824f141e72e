// SPDX-License-Identifier: MIT
/* A program that allocates in all ways, to be linked statically, as C and as C++. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	void *p = malloc((size_t)argc), *q = NULL;

	p = realloc(p, (size_t)argc * 2);
	if (posix_memalign(&q, 64, 64))
		return 1;
	printf("%p %p %p\n", p, q, calloc((size_t)argc, 3));
	free(p);
	free(q);
#ifdef __cplusplus
	char *s = new char[(size_t)argc];

	printf("%p\n", (void *)s);
	delete[] s;
#endif
	return 0;
}
