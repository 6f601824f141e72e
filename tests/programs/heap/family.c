// SPDX-License-Identifier: MIT
/*
 * family - a process with threads that allocate has children, and another program is started. Each
 * process prints lines "ROLE PID"; a parent's allocation is given back by its child and by itself.
 *
 *   parent   ten of 1,000 bytes, which child and parent free
 *   child    forked: five of 2,000 bytes
 *   clone    by the system call alone, so that the C library does not know: five of 2,500
 *   exec     started with posix_spawn: three of 3,000
 *   busy     forked while others are in the middle of an allocation: one of 4,000; there are 30
 */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

extern char **environ;

static atomic_bool over;

static void say(const char *role)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%s %d\n", role, getpid());

	MUST(write(STDOUT_FILENO, line, (size_t)n) == n);
}

static void allocate_and_free(unsigned int n, size_t size)
{
	for (unsigned int i = 0; i < n; i++) {
		void *pointer = malloc(size);

		HIDE(pointer);
		MUST(pointer);
		free(pointer);
	}
}

static void await(pid_t pid)
{
	int status;

	MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

static void has_child(pid_t pid, const char *role, size_t size, void **inherited)
{
	if (pid) {
		await(pid);
		return;
	}
	say(role);
	for (int i = 0; i < 10; i++)
		free(inherited[i]);
	allocate_and_free(5, size);
	_exit(0);
}

static void start_itself(const char *program)
{
	char *const arguments[] = {(char *)program, "exec", NULL};
	pid_t pid;

	MUST(posix_spawn(&pid, program, NULL, NULL, arguments, environ) == 0);
	await(pid);
}

static void *keep_busy(void *unused)
{
	while (!atomic_load(&over))
		allocate_and_free(100, 4100);
	return unused;
}

static void have_many(void)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		MUST(pthread_create(&threads[i], NULL, keep_busy, NULL) == 0);
	for (int i = 0; i < 30; i++) {
		pid_t pid = fork();

		if (!pid) {
			say("busy");
			allocate_and_free(1, 4000);
			_exit(0);
		}
		await(pid);
	}
	atomic_store(&over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	void *pointers[10];

	if (argc > 1) {
		say("exec");
		allocate_and_free(3, 3000);
		return 0;
	}
	say("parent");
	for (int i = 0; i < 10; i++) {
		pointers[i] = malloc(1000);
		MUST(pointers[i]);
	}
	has_child(fork(), "child", 2000, pointers);
	has_child((pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), "clone", 2500, pointers);
	start_itself(argv[0]);
	for (int i = 0; i < 10; i++)
		free(pointers[i]);
	have_many();
	return 0;
}
