// SPDX-License-Identifier: MIT
/*
 * leaks WHAT SECONDS [LIBRARY] - says "ready", waits for a line, and then does at once, for so
 * long, in functions of their own, all that can be taken for a leak:
 *
 *   leak     allocates 500 bytes at a time, most of which it frees; now and then it does not
 *   churn    allocates as much, and frees all of it
 *   cache    is filled in the first third of the time, and kept
 *   start_up allocates once, at the beginning
 *   batch    adds to a list, which is freed whole six times
 *
 * WHAT is `all`, or `none` for all but the leak, `child` for all in a forked child, or `plugin` for
 * leaks by a LIBRARY that is closed in the middle.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../truth.h"
#include "truth.h"

#define FUNCTION __attribute__((noipa)) static void
#define TICK_NS	 2000000
#define BATCHES	 6

struct entry {
	struct entry *next;
	char room[1000];
};

static struct entry *cached, *batched;

FUNCTION leak(uint64_t tick)
{
	for (int i = 0; i < 50; i++) {
		void *pointer = malloc(500);

		HIDE(pointer);
		if (i || tick % 2)
			free(pointer);
	}
}

FUNCTION churn(void)
{
	for (int i = 0; i < 50; i++) {
		void *pointer = malloc(500);

		HIDE(pointer);
		free(pointer);
	}
}

FUNCTION cache(void)
{
	struct entry *entry = malloc(sizeof(*entry));

	entry->next = cached;
	cached = entry;
}

FUNCTION start_up(void)
{
	static void *kept[200];

	for (int i = 0; i < 200; i++)
		kept[i] = malloc(1000);
	HIDE(kept[0]);
}

FUNCTION batch(void)
{
	struct entry *entry = malloc(sizeof(*entry));

	entry->next = batched;
	batched = entry;
}

static void end_batch(void)
{
	while (batched) {
		struct entry *next = batched->next;

		free(batched);
		batched = next;
	}
}

static double now(void)
{
	return (double)wall_ns() / 1e9;
}

static void run(double seconds, bool leaks)
{
	double begin = now(), at = 0;
	unsigned batches = 0;

	start_up();
	for (uint64_t tick = 0; (at = (now() - begin) / seconds) < 1; tick++) {
		if (leaks)
			leak(tick);
		churn();
		if (at < 1.0 / 3)
			cache();
		if (at * BATCHES > batches + 0.9) {
			end_batch();
			batches++;
		}
		batch();
		nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
	}
}

/* Closed before the end: by then its leak has names no more in the process. */
static int run_plugin(double seconds, const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	void (*leak_one)(void) = library ? (void (*)(void))dlsym(library, "plugin_leak") : NULL;

	if (!leak_one)
		return 1;
	for (double begin = now(); now() - begin < seconds;) {
		leak_one();
		nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
	}
	dlclose(library);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "all";
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
	char line;

	ready();
	if (read(STDIN_FILENO, &line, 1) < 0)
		return 1;
	if (!strcmp(what, "plugin"))
		return argc > 3 ? run_plugin(seconds, argv[3]) : 1;
	if (strcmp(what, "child") != 0) {
		run(seconds, strcmp(what, "none") != 0);
		return 0;
	}
	pid_t child = fork();
	if (!child) {
		run(seconds, true);
		_exit(0);
	}
	return child < 0 || waitpid(child, NULL, 0) < 0;
}
