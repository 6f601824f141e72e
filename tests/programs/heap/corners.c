// SPDX-License-Identifier: MIT
/*
 * corners CASE - allocations at times and in ways that are none of the usual. Prints, between the
 * marks, what a listener has to see: "alloc SIZE" or "free SIZE", in this order.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

void cfree(void *pointer);

int first_loaded(void);

/* What a library's constructor did before (first.c). */
static char expected[1 << 16] = "alloc 250\nfree 250\n";
static const char *chosen = "";

static void expect(const char *what, size_t size)
{
	size_t used = strlen(expected);

	snprintf(expected + used, sizeof(expected) - used, "%s %zu\n", what, size);
}

static void *allocate(size_t size)
{
	void *pointer = malloc(size);

	HIDE(pointer);
	MUST(pointer);
	expect("alloc", size);
	return pointer;
}

static void release(void *pointer, size_t size)
{
	expect("free", size);
	free(pointer);
}

/* ---- realloc ------------------------------------------------------------------------------- */

static void *resize(void *pointer, size_t had, size_t size)
{
	void *moved = realloc(pointer, size);

	HIDE(moved);
	MUST(moved);
	expect("free", had);
	expect("alloc", size);
	return moved;
}

static void fail_to_resize(void *pointer, size_t had, size_t size)
{
	errno = 0;
	MUST(!realloc(pointer, size) && errno == ENOMEM);
	expect("free", had);
	expect("alloc", had);
}

static void case_realloc(void)
{
	size_t huge = PTRDIFF_MAX;
	void *pointer = realloc(NULL, 1000), *other;

	HIDE(huge);
	HIDE(pointer);
	expect("alloc", 1000);
	pointer = resize(pointer, 1000, 900); /* in place */
	other = allocate(100);
	memset(pointer, 'x', 900);
	pointer = resize(pointer, 900, 90000); /* moves */
	MUST(!memchr(pointer, 0, 900) && ((char *)pointer)[899] == 'x');
	pointer = resize(pointer, 90000, 9000000); /* to a mapping */
	pointer = resize(pointer, 9000000, 12000000);
	fail_to_resize(pointer, 12000000, huge - 4096);
	/* It cannot be so many: nothing happens. */
	errno = 0;
	MUST(!reallocarray(pointer, huge, 16) && errno == ENOMEM);
	errno = 0;
	MUST(!calloc(huge, 16) && errno == ENOMEM);
	MUST(!malloc(huge) && !aligned_alloc(64, huge));
	MUST(posix_memalign(&other, 3, 100) == EINVAL);
	pointer = resize(pointer, 12000000, 5);
	/* To nothing: with the C library it is a free. */
	MUST(!realloc(pointer, 0));
	expect("free", 5);
	release(other, 100);
}

/* ---- sizes and functions ------------------------------------------------------------------- */

static void case_functions(void)
{
	void *pointer = malloc(0);

	HIDE(pointer);
	expect("alloc", 1);
	release(pointer, 1);
	pointer = calloc(7, 11);
	HIDE(pointer);
	expect("alloc", 77);
	release(pointer, 77);
	pointer = strdup("0123456789");
	HIDE(pointer);
	expect("alloc", 11);
	expect("free", 11);
	((void (*)(void *))dlsym(RTLD_DEFAULT, "cfree"))(pointer);
	MUST(posix_memalign(&pointer, 4096, 100) == 0);
	expect("alloc", 100);
	release(pointer, 100);
	pointer = pvalloc(10);
	HIDE(pointer);
	expect("alloc", 10);
	release(pointer, 10);
	pointer = valloc(20);
	HIDE(pointer);
	expect("alloc", 20);
	release(pointer, 20);
	pointer = memalign(32, 30);
	HIDE(pointer);
	expect("alloc", 30);
	release(pointer, 30);
	pointer = aligned_alloc(64, 64);
	HIDE(pointer);
	expect("alloc", 64);
	release(pointer, 64);
	free(NULL);
}

/* ---- threads that end, signals ------------------------------------------------------------- */

static pthread_key_t key;

static void at_exit_of_thread(void *pointer)
{
	release(pointer, 500);
	release(allocate(600), 600);
	end();
}

static void *short_thread(void *unused)
{
	begin();
	pthread_setspecific(key, allocate(500));
	return unused;
}

static void case_threads(void)
{
	pthread_t thread;

	end();
	MUST(pthread_key_create(&key, at_exit_of_thread) == 0);
	for (int i = 0; i < 20; i++) {
		MUST(pthread_create(&thread, NULL, short_thread, NULL) == 0);
		MUST(pthread_join(thread, NULL) == 0);
	}
	begin();
}

static void on_signal(int signal)
{
	(void)signal;
	release(allocate(700), 700);
}

static void case_signal(void)
{
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 20; i++)
		raise(SIGUSR1);
}

/* ---- what never sees a main() -------------------------------------------------------------- */

static void *early;

__attribute__((constructor)) static void before_main(void)
{
	begin();
	early = allocate(300);
	release(allocate(400), 400);
	end();
}

__attribute__((destructor)) static void after_main(void)
{
	begin();
	release(early, 300);
	end();
	fputs(expected, stdout);
	fflush(stdout);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"realloc", case_realloc},
	{"functions", case_functions},
	{"threads", case_threads},
	{"signal", case_signal},
};

int main(int argc, char **argv)
{
	MUST(first_loaded());
	chosen = argc > 1 ? argv[1] : "";
	/* What the C library allocates for the first output is not between marks. */
	fflush(stdout);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (strcmp(cases[i].name, chosen))
			continue;
		begin();
		cases[i].run();
		end();
		return 0;
	}
	fputs("usage: corners realloc|functions|threads|signal\n", stderr);
	return 2;
}
