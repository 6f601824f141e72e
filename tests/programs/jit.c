// SPDX-License-Identifier: MIT
/*
 * jit SECONDS [hostile|callback] - writes functions into anonymous memory, names them in
 * /tmp/perf-PID.map as a JIT compiler does, and burns in one. hostile: the file is full of lines
 * that are no entries. callback: it burns in a function that is called from generated code.
 */
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "truth.h"

/* push %rbp; mov %rsp,%rbp; mov %rdi,%rcx; 1: dec %rcx; jnz 1b; pop %rbp; ret */
static const unsigned char code[] = {
	0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf9, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0x5d, 0xc3};

/* push %rbp; mov %rsp,%rbp; sub $32,%rsp; call *%rsi; leave; ret */
static const unsigned char calls[] = {
	0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0xff, 0xd6, 0xc9, 0xc3};

NOINLINE void called_back(uint64_t steps)
{
	for (uint64_t i = 0; i < steps; i++)
		__asm__ volatile("" : "+r"(i));
}

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
	memcpy(memory + 512, calls, sizeof(calls));
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	FILE *map = fopen(path, "we");
	if (!map)
		return 1;
	if (argc > 2 && !strcmp(argv[2], "hostile"))
		write_hostile(map);
	fprintf(map, "%lx %zx jitted_loop(int)\n", (unsigned long)(memory + 256), sizeof(code));
	fprintf(map, "%lx %zx jitted_caller(int)\n", (unsigned long)(memory + 512), sizeof(calls));
	fclose(map);

	typedef void generated(uint64_t steps, void (*callback)(uint64_t));
	bool back = argc > 2 && !strcmp(argv[2], "callback");
	generated *run = (generated *)(uintptr_t)(memory + (back ? 512 : 256));

	ready();
	while (wall_ns() < end)
		run(1000000, called_back);
	print_cpu();
	return 0;
}
