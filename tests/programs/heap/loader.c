// SPDX-License-Identifier: MIT
/*
 * loader N FILE... - loads libraries one after the other, unseen by each other, and lets each
 * allocate. Prints "bytes" and "objects".
 */
#include <dlfcn.h>

#include "truth.h"

int main(int argc, char **argv)
{
	unsigned long long bytes = 0, objects = 0;

	for (int i = 2; i < argc; i++) {
		void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
		void (*use)(int, unsigned long long *, unsigned long long *);

		MUST(library);
		*(void **)&use = dlsym(library, "use");
		MUST(use);
		begin();
		use(atoi(argv[1]), &bytes, &objects);
	}
	printf("bytes %llu\nobjects %llu\n", bytes, objects);
	return 0;
}
