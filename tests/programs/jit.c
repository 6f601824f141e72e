// SPDX-License-Identifier: MIT
/*
 * jit SECONDS [hostile] - writes a function into anonymous memory, names it in /tmp/perf-PID.map
 * as a JIT compiler does, and burns in it. hostile: the file is full of lines that are no entries.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "truth.h"

/* push %rbp; mov %rsp,%rbp; mov %rdi,%rcx; 1: dec %rcx; jnz 1b; pop %rbp; ret */
static const unsigned char code[] = {
	0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf9, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0x5d, 0xc3};

static void write_hostile(FILE *map)
{
	fputs("not a line\n0 0 \n-1 -1 minus\nffffffffffffffff ffffffffffffffff wraps\n", map);
	for (int i = 0; i < 100000; i++)
		fputc('a', map);
	fputs("\n12345678901234567890 1 long\n\n 10\n10 20\n", map);
}

int main(int argc, char **argv)
{
	uint64_t end = wall_ns() + (uint64_t)(argument(argc, argv, 1, 5) * 1e9);
	unsigned char *memory = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char path[64];

	if (memory == MAP_FAILED)
		return 1;
	memcpy(memory + 256, code, sizeof(code));
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	FILE *map = fopen(path, "we");
	if (!map)
		return 1;
	if (argc > 2 && !strcmp(argv[2], "hostile"))
		write_hostile(map);
	fprintf(map, "%lx %zx jitted_loop(int)\n", (unsigned long)(memory + 256), sizeof(code));
	fclose(map);

	void (*loop)(uint64_t) = (void (*)(uint64_t))(uintptr_t)(memory + 256);
	ready();
	while (wall_ns() < end)
		loop(1000000);
	print_cpu();
	return 0;
}
