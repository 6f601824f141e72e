// SPDX-License-Identifier: MIT
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

/* As env(1): 127 where nothing is found, 126 where it is, but cannot be run. */
static int exec_code(int error)
{
	return error == ENOENT ? 127 : 126;
}

static void explain(const char *name, int error)
{
	log_error("'%s': %s", name, strerror(error));
}

/* 0 or the errno that exec would meet. */
static int runnable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return access(path, X_OK) < 0 ? errno : 0;
}

/* 0 with where it is, to be freed; or the errno that exec would meet. */
static int find(const char *name, char **found)
{
	const char *folders = getenv("PATH");
	int error = ENOENT;

	if (strchr(name, '/')) {
		error = runnable(name);
		*found = error ? NULL : strdup(name);
		return error;
	}
	/* execvp's own default is what confstr(_CS_PATH) says; an empty element is here. */
	for (const char *f = folders ? folders : "/bin:/usr/bin"; *name; f++) {
		_cleanup_free_ char *path = NULL;
		size_t n = strcspn(f, ":");
		if (asprintf(&path, "%.*s/%s", n ? (int)n : 1, n ? f : ".", name) < 0)
			return ENOMEM;
		int here = runnable(path);
		if (!here) {
			*found = take_ptr(path);
			return 0;
		}
		error = here == ENOENT || here == ENOTDIR ? error : here;
		f += n;
		if (!*f)
			break;
	}
	return error;
}

int child_check(const char *name)
{
	_cleanup_free_ char *path = NULL;
	int error = find(name, &path);

	if (!error || error == ENOMEM)
		return 0;
	explain(name, error);
	return exec_code(error);
}

char *child_find(const char *name)
{
	char *path = NULL;

	return find(name, &path) ? NULL : path;
}

/* Pipes of a few bytes: all or nothing. If nobody reads, exit codes tell the rest. */
static void tell(int fd, const void *data, size_t n)
{
	while (write(fd, data, n) < 0 && errno == EINTR)
		continue;
}

static _Noreturn void run_child(
	char **argv, int go, int error, const sigset_t *mask, const struct variable *changes)
{
	char byte;
	ssize_t n;

	do
		n = read(go, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(125);
	sigprocmask(SIG_SETMASK, mask, NULL);
	for (; changes && changes->name; changes++)
		if (setenv(changes->name, changes->value, 1))
			_exit(125);
	execvp(argv[0], argv);
	int failed = errno;
	tell(error, &failed, sizeof(failed));
	_exit(exec_code(failed));
}

int child_prepare(
	struct child *c, char **argv, const sigset_t *mask, const struct variable *changes)
{
	int go[2] = {-1, -1}, error[2] = {-1, -1};

	*c = (struct child){.go = -1, .error = -1};
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC) < 0 || (c->pid = fork()) < 0) {
		int err = -errno;
		log_error("cannot start '%s': %s", argv[0], strerror(-err));
		for (int i = 0; i < 2; i++) {
			close_fd(go[i]);
			close_fd(error[i]);
		}
		c->pid = 0;
		return err;
	}
	if (!c->pid) {
		close_fd(go[1]);
		run_child(argv, go[0], error[1], mask, changes);
	}
	close_fd(go[0]);
	close_fd(error[1]);
	c->go = go[1];
	c->error = error[0];
	return 0;
}

/* As waitpid(2), also of a child that is traced. */
static pid_t wait_for(struct child *c, int *status, int flags)
{
	pid_t pid;

	if (c->trace) {
		if (flags & WNOHANG)
			exit_trace_turn(c->trace);
		else
			exit_trace_wait(c->trace);
		*status = c->trace->status;
		return c->trace->ended ? c->pid : 0;
	}
	do
		pid = waitpid(c->pid, status, flags);
	while (pid < 0 && errno == EINTR);
	return pid;
}

static void reap(struct child *c, int flags)
{
	int status;
	pid_t pid;

	if (c->pid <= 0)
		return;
	pid = wait_for(c, &status, flags);
	if (!pid)
		return;
	c->pid = 0;
	if (pid > 0)
		c->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int child_release(struct child *c, const char *name)
{
	int error = 0;
	ssize_t n;

	tell(c->go, "", 1);
	c->go = close_fd(c->go);
	do
		n = read(c->error, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	c->error = close_fd(c->error);
	if (n != (ssize_t)sizeof(error))
		return 0;
	explain(name, error);
	c->not_run = true;
	reap(c, 0);
	return -error;
}

void child_abandon(struct child *c)
{
	c->go = close_fd(c->go);
	c->error = close_fd(c->error);
	reap(c, 0);
}

bool child_ended(struct child *c)
{
	reap(c, WNOHANG);
	return !c->pid;
}
