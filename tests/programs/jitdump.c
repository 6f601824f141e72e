// SPDX-License-Identifier: MIT
/*
 * jitdump SECONDS [HOW [FOLDER]] - writes functions into anonymous memory and burns in them; it
 * says what they are called in FOLDER/jit-PID.dump (/tmp), as compilers do for perf, which it maps
 * as these do. Signals make it go on to the next function.
 *
 *     (nothing)  first_version(int); SIGUSR1: second_version(int) takes its place
 *     moved      the code of moved_function(int) is moved to another place
 *     unmapped   the file is closed, and not mapped any more
 *     lines      as with nothing, and first_version(int) burns in /src/made.up:12, in a function
 *                that begins in line 10
 *     shifted    the same, with addresses that are 64 too large, as many write them
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "truth.h"

/* push %rbp; mov %rsp,%rbp; mov %rdi,%rcx; 1: dec %rcx; jnz 1b; pop %rbp; ret */
static const unsigned char code[] = {
	0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf9, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0x5d, 0xc3};

typedef void generated(uint64_t steps);

static volatile sig_atomic_t told;

static void on_signal(int unused)
{
	(void)unused;
	told = 1;
}

struct record {
	uint32_t id, size;
	uint64_t time;
};

static void write_header(FILE *dump)
{
	struct {
		uint32_t magic, version, size, machine, pad, pid;
		uint64_t time, flags;
	} header = {0x4a695444, 1, 40, 62, 0, (uint32_t)getpid(), wall_ns(), 0};

	fwrite(&header, sizeof(header), 1, dump);
	fflush(dump);
}

static void write_load(FILE *dump, const void *at, uint64_t index, const char *name)
{
	struct {
		struct record record;
		uint32_t pid, tid;
		uint64_t vma, address, size, index;
	} load = {{0, (uint32_t)(sizeof(load) + strlen(name) + 1 + sizeof(code)), wall_ns()},
		(uint32_t)getpid(), (uint32_t)getpid(), (uintptr_t)at, (uintptr_t)at, sizeof(code),
		index};

	fwrite(&load, sizeof(load), 1, dump);
	fwrite(name, strlen(name) + 1, 1, dump);
	fwrite(code, sizeof(code), 1, dump);
	fflush(dump);
}

/* The loop begins behind 7 bytes and ends before the 12th. */
static void write_lines(FILE *dump, const void *at, uint64_t shift)
{
	static const struct {
		uint64_t offset;
		uint32_t line;
		const char *file;
	} entries[] = {{0, 10, "/src/made.up"}, {7, 12, "\xff"}, {12, 13, "\xff"}};
	struct {
		struct record record;
		uint64_t code, n;
	} head = {{2, sizeof(head) + 3 * 16 + sizeof("/src/made.up") + 2 * 2, wall_ns()},
		(uintptr_t)at, 3};

	fwrite(&head, sizeof(head), 1, dump);
	for (size_t i = 0; i < 3; i++) {
		struct {
			uint64_t address;
			uint32_t line, column;
		} entry = {(uintptr_t)at + entries[i].offset + shift, entries[i].line, 1};

		fwrite(&entry, sizeof(entry), 1, dump);
		fwrite(entries[i].file, strlen(entries[i].file) + 1, 1, dump);
	}
}

static void write_move(FILE *dump, const void *from, const void *to, uint64_t index)
{
	struct {
		struct record record;
		uint32_t pid, tid;
		uint64_t vma, from, to, size, index;
	} move = {{1, sizeof(move), wall_ns()}, (uint32_t)getpid(), (uint32_t)getpid(),
		(uintptr_t)to, (uintptr_t)from, (uintptr_t)to, sizeof(code), index};

	fwrite(&move, sizeof(move), 1, dump);
	fflush(dump);
}

/* The mapping is what perf, and profd, find the file by. */
static FILE *open_dump(const char *folder, bool mapped)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/jit-%d.dump", folder, (int)getpid());
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *dump = fd < 0 ? NULL : fdopen(fd, "w");
	if (!dump || (mapped && mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) ==
					MAP_FAILED))
		exit(1);
	write_header(dump);
	return dump;
}

int main(int argc, char **argv)
{
	uint64_t end = wall_ns() + (uint64_t)(argument(argc, argv, 1, 5) * 1e9);
	const char *how = argc > 2 ? argv[2] : "", *folder = argc > 3 ? argv[3] : "/tmp";
	unsigned char *memory = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *dump = open_dump(folder, strcmp(how, "unmapped") != 0);
	unsigned char *at = memory + 256;

	if (memory == MAP_FAILED)
		return 1;
	signal(SIGUSR1, on_signal);
	memcpy(at, code, sizeof(code));
	if (!strcmp(how, "moved")) {
		write_load(dump, at, 7, "moved_function(int)");
		memcpy(memory + 1024, code, sizeof(code));
		write_move(dump, at, memory + 1024, 7);
		write_load(dump, at, 8, "not_this(int)");
		at = memory + 1024;
	} else {
		write_load(dump, memory + 2048, 0, "not_this(int)");
		if (!strcmp(how, "lines") || !strcmp(how, "shifted"))
			write_lines(dump, at, *how == 's' ? 64 : 0);
		write_load(dump, at, 1, "first_version(int)");
	}
	ready();
	while (wall_ns() < end) {
		((generated *)(uintptr_t)at)(1000000);
		if (told)
			write_load(dump, at, 2, "second_version(int)");
		told = 0;
	}
	fclose(dump);
	print_cpu();
	return 0;
}
