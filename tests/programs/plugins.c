// SPDX-License-Identifier: MIT
/*
 * plugins A.so B.so SECONDS - loads A, burns in plugin_a() of it, unloads it, does the same with
 * B, and so on: the two are likely to come to lie at the same address.
 */
#include <dlfcn.h>

#include "truth.h"

static int burn_in(const char *path, const char *name, uint64_t end)
{
	void *handle = dlopen(path, RTLD_NOW);
	void (*burn)(uint64_t) = handle ? (void (*)(uint64_t))dlsym(handle, name) : NULL;

	if (!burn) {
		fprintf(stderr, "plugins: %s\n", dlerror());
		return 1;
	}
	burn(end);
	return dlclose(handle);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	uint64_t end = wall_ns() + (uint64_t)(argument(argc, argv, 3, 5) * 1e9);

	ready();
	while (wall_ns() < end)
		if (burn_in(argv[1], "plugin_a", wall_ns() + 300000000u) ||
			burn_in(argv[2], "plugin_b", wall_ns() + 300000000u))
			return 1;
	print_cpu();
	return 0;
}
