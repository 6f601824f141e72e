// SPDX-License-Identifier: MIT
/*
 * lost WHAT LIBRARY - allocates in functions of their own, and loses some of it, as a scan at its
 * end sees: what nothing leads to, what only lost blocks lead to, what there are pointers only into
 * the middle of, and what is reachable in every way that there is. LIBRARY (leaking.so) is closed
 * before the end.
 *
 * WHAT is `all`, or `child` for all in a forked child, or `killed` for an end by SIGTERM.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../truth.h"
#include "truth.h"

#define FUNCTION __attribute__((noipa)) static void

struct entry {
	struct entry *next;
	char room[56];
};

static struct entry *volatile list;
static char *volatile middle;
static void *volatile *volatile mapping, *volatile *volatile large;
static __thread void *volatile thread_local;
static pthread_barrier_t barrier;

/* What a function leaves on the stack and in registers leads nowhere. */
__attribute__((noipa)) static uint64_t wipe(void)
{
	volatile char room[16384];

	memset((char *)room, 0, sizeof(room));
	__asm__ volatile("xor %%edi, %%edi\n xor %%esi, %%esi\n xor %%edx, %%edx\n"
			 "xor %%ecx, %%ecx\n xor %%r8d, %%r8d\n xor %%r9d, %%r9d\n"
			 "xor %%r10d, %%r10d\n xor %%r11d, %%r11d"
			 :
			 :
			 : "rdi", "rsi", "rdx", "rcx", "r8", "r9", "r10", "r11");
	return 0;
}

__attribute__((noipa)) static struct entry *allocate(int n)
{
	struct entry *first = NULL;

	while (n--) {
		struct entry *entry = calloc(1, sizeof(*entry));

		HIDE(entry);
		entry->next = first;
		first = entry;
	}
	HIDE(first);
	return first;
}

FUNCTION lost_each(void)
{
	for (int i = 0; i < 5; i++)
		allocate(1);
}

FUNCTION lost_list(void)
{
	struct entry *first = allocate(10);

	HIDE(first);
}

FUNCTION lost_ring(void)
{
	struct entry *first = allocate(4), *last = first;

	while (last->next)
		last = last->next;
	last->next = first;
	HIDE(first);
}

FUNCTION lost_large(void)
{
	void *pointer = calloc(1, 100000);

	HIDE(pointer);
}

FUNCTION by_global(void)
{
	list = allocate(7);
}

FUNCTION by_middle(void)
{
	middle = allocate(3)->room;
}

FUNCTION by_thread_local(void)
{
	thread_local = allocate(1);
}

FUNCTION by_mapping(void)
{
	mapping = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(mapping != MAP_FAILED);
	mapping[5000] = allocate(2);
}

FUNCTION by_large(void)
{
	large = calloc(1, 400000);
	large[40000] = allocate(1);
}

__attribute__((noipa)) static void *by_thread(void *unused)
{
	struct entry *volatile kept = allocate(6);

	(void)unused;
	pthread_barrier_wait(&barrier);
	pause();
	(void)kept;
	return NULL;
}

FUNCTION in_library(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	void (*leak)(void);

	MUST(library);
	*(void **)&leak = dlsym(library, "plugin_leak");
	MUST(leak);
	leak();
	dlclose(library);
}

__attribute__((noipa)) static struct entry *by_stack(void)
{
	struct entry *first = allocate(8);

	HIDE(first);
	return first;
}

__attribute__((noipa)) static struct entry *do_all(const char *path)
{
	pthread_t thread;

	MUST(!pthread_barrier_init(&barrier, NULL, 2));
	MUST(!pthread_create(&thread, NULL, by_thread, NULL));
	pthread_barrier_wait(&barrier);
	lost_each();
	lost_list();
	lost_ring();
	lost_large();
	by_global();
	by_middle();
	by_thread_local();
	by_mapping();
	by_large();
	in_library(path);
	return by_stack();
}

__attribute__((noipa)) static void by_main(const char *path, int killed)
{
	struct entry *volatile kept = do_all(path);

	wipe();
	if (killed)
		kill(getpid(), SIGTERM);
	exit((int)wipe());
	(void)kept;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "all";
	pid_t child = !strcmp(what, "child") ? fork() : 0;
	int status;

	MUST(argc > 2);
	if (child) {
		MUST(waitpid(child, &status, 0) == child);
		return WEXITSTATUS(status);
	}
	by_main(argv[2], !strcmp(what, "killed"));
}
