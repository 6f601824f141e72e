// SPDX-License-Identifier: MIT
/*
 * swap SECONDS A.so B.so - loads A, burns in it, unloads it, and does the same with B, whose
 * functions then lie at the same addresses and have other frames. Is ready when they do.
 */
#include <dlfcn.h>
#include <inttypes.h>

#include "spin.h"

FRAME uintptr_t use(const char *path, uint64_t steps)
{
	void *handle = dlopen(path, RTLD_NOW);
	void (*enter)(uint64_t) = handle ? (void (*)(uint64_t))dlsym(handle, "enter") : NULL;

	if (!enter) {
		fprintf(stderr, "swap: %s\n", dlerror());
		exit(1);
	}
	enter(steps);
	dlclose(handle);
	return (uintptr_t)enter;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	uintptr_t a = use(argv[2], 1), b = use(argv[3], 1);

	if (a != b) {
		fprintf(stderr, "swap: they lie at %" PRIxPTR " and %" PRIxPTR "\n", a, b);
		return 1;
	}
	begin(argc, argv);
	for (;;) {
		use(argv[2], 200 * MS);
		use(argv[3], 200 * MS);
	}
}
