// SPDX-License-Identifier: MIT
/*
 * orders - does what standard input says, a line "ok" for each that is done: "alloc GROUP N SIZE"
 * allocates N of SIZE bytes, "free GROUP N" frees the first N that are left of a group; "flood N
 * SIZE" allocates more than a group has room for, and "drain" frees them; "strict" lets the kernel
 * end the process for any system call but read, write and exit.
 */
#include <linux/seccomp.h>
#include <malloc.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "truth.h"

#define GROUPS 8
#define MAX    4096

static struct {
	void *pointers[MAX];
	unsigned int first, end;
} groups[GROUPS];

/* Without the C library's streams: they allocate. */
static int read_line(char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && read(STDIN_FILENO, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	return n > 0;
}

/* Each has the next at its start. */
static void **flooded;

static void flood(unsigned int n, size_t size)
{
	while (n--) {
		void **pointer = malloc(size);

		MUST(pointer);
		*pointer = flooded;
		flooded = pointer;
	}
}

static void drain(void)
{
	while (flooded) {
		void **next = *flooded;

		free(flooded);
		flooded = next;
	}
}

static void obey(const char *line)
{
	unsigned int group, n, size;

	if (sscanf(line, "alloc %u %u %u", &group, &n, &size) == 3) {
		while (n--) {
			void *pointer = malloc(size);

			HIDE(pointer);
			MUST(pointer && groups[group % GROUPS].end < MAX);
			groups[group % GROUPS].pointers[groups[group % GROUPS].end++] = pointer;
		}
	} else if (sscanf(line, "free %u %u", &group, &n) == 2) {
		while (n--) {
			MUST(groups[group % GROUPS].first < groups[group % GROUPS].end);
			free(groups[group % GROUPS].pointers[groups[group % GROUPS].first++]);
		}
	} else if (sscanf(line, "flood %u %u", &n, &size) == 2) {
		flood(n, size);
	} else if (!strcmp(line, "drain")) {
		drain();
	} else {
		MUST(!strcmp(line, "strict"));
		MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	}
}

int main(void)
{
	char line[64];

	/* Enough of a heap that no system call is needed for more. */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	free(malloc(16 << 20));
	while (read_line(line, sizeof(line))) {
		obey(line);
		MUST(write(STDOUT_FILENO, "ok\n", 3) == 3);
	}
	return (int)syscall(SYS_exit, 0);
}
