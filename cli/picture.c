// SPDX-License-Identifier: MIT
#include "picture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output.h"
#include "util/cleanup.h"
#include "util/log.h"

#define AT_ONCE 2000 /* ms */

extern char **environ;

/* ---- graphviz ----------------------------------------------------------------------------- */

static const char *const FORMATS[] = {"svg", "png", "pdf", "ps", "gif", NULL};

static const char *format_of(const char *path)
{
	const char *dot = path ? strrchr(path, '.') : NULL;

	for (const char *const *f = FORMATS; dot && *f; f++)
		if (!strcmp(dot + 1, *f))
			return *f;
	return NULL;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static int start(char *const argv[], int in, int out, pid_t *pid)
{
	posix_spawn_file_actions_t actions;

	int err = posix_spawn_file_actions_init(&actions);
	if (err)
		return -err;
	if (in >= 0)
		err = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	if (!err && out >= 0)
		err = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (!err)
		err = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

struct drawing {
	const char *format;
	int (*fill)(void *what, int fd);
	void *what;
};

static int run_graphviz(struct drawing *d, int dot, int fd)
{
	char option[16], *argv[] = {(char *)"dot", option, NULL};
	pid_t pid;

	snprintf(option, sizeof(option), "-T%s", d->format);
	int err = start(argv, dot, fd, &pid);
	if (!err)
		err = wait_for(pid);
	if (err) {
		log_error("cannot draw the graph: %s",
			err == -ENOENT ? "graphviz is not installed: install it, or write dot with "
					 "-o FILE.dot"
				       : "graphviz's dot failed: see above");
	}
	return err ? -ECANCELED : 0;
}

static int draw(void *what, int fd)
{
	struct drawing *d = what;

	if (!d->format)
		return d->fill(d->what, fd);
	_cleanup_close_ int dot = memfd_create("graph.dot", MFD_CLOEXEC);
	if (dot < 0)
		return -errno;
	int err = d->fill(d->what, dot);
	if (!err && lseek(dot, 0, SEEK_SET) < 0)
		err = -errno;
	return err ? err : run_graphviz(d, dot, fd);
}

int picture_write(const char *path, const char *suffix, int (*fill)(void *what, int fd), void *what)
{
	struct drawing d = {.format = format_of(path), .fill = fill, .what = what};

	bool page = suffix && !strcmp(suffix, "html");
	if (page)
		d.format = NULL;
	else if (!d.format && suffix && (!path || !strrchr(path, '.')))
		d.format = suffix;
	bool binary = d.format && strcmp(d.format, "svg") != 0;
	return output_write(path, binary, draw, &d);
}

/* ---- a viewer ----------------------------------------------------------------------------- */

static const char *const BROWSERS[] = {
	"chrome", "google-chrome", "chromium", "firefox", "sensible-browser", "xdg-open", NULL};

/* Whether it fails at once, as a browser does that has no display. One that goes on, or has handed
 * over to another, shows it. */
static bool fails_at_once(pid_t pid)
{
	_cleanup_close_ int fd = pidfd_open(pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&p, 1, AT_ONCE) > 0 && wait_for(pid);
}

/* $BROWSER may have arguments, separated by spaces. 0; -ECANCELED if it was started in vain. */
static int start_named(const char *command, char *path)
{
	_cleanup_free_ char *copy = strdup(command);
	char *argv[16], *save;
	size_t n = 0;
	pid_t pid;

	if (!copy)
		return -ENOMEM;
	for (char *word = strtok_r(copy, " ", &save); word && n < 14;
		word = strtok_r(NULL, " ", &save))
		argv[n++] = word;
	if (!n)
		return -ENOENT;
	argv[n++] = path;
	argv[n] = NULL;
	int err = start(argv, -1, STDERR_FILENO, &pid);
	return !err && fails_at_once(pid) ? -ECANCELED : err;
}

static int open_viewer(char *path)
{
	const char *own = getenv("BROWSER");

	int err = own && *own ? start_named(own, path) : -ENOENT;
	if (!err)
		return 0;
	if (err == -ECANCELED) {
		log_error(
			"BROWSER: '%s' failed: set it to another, or open %s yourself", own, path);
		return err;
	}
	for (const char *const *b = BROWSERS; *b; b++) {
		/* Without a desktop it would only fail later. */
		if (!strcmp(*b, "xdg-open") && !getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY"))
			continue;
		if (!start_named(*b, path))
			return 0;
	}
	log_error("there is no browser to show %s with: set BROWSER, or open it yourself", path);
	return -ENOENT;
}

int picture_show(const char *suffix, int (*fill)(void *what, int fd), void *what)
{
	const char *folder = getenv("TMPDIR");
	_cleanup_free_ char *path = NULL;
	struct drawing d = {
		.format = strcmp(suffix, "html") != 0 ? suffix : NULL, .fill = fill, .what = what};

	if (asprintf(&path, "%s/profctl-XXXXXX.%s", folder && *folder ? folder : "/tmp", suffix) <
		0) {
		path = NULL;
		return -ENOMEM;
	}
	_cleanup_close_ int fd = mkostemps(path, (int)strlen(suffix) + 1, O_CLOEXEC);
	if (fd < 0) {
		int err = -errno;
		log_error("cannot make %s: %s", path, strerror(-err));
		return err;
	}
	int err = draw(&d, fd);
	if (!err)
		err = open_viewer(path);
	else
		unlink(path);
	if (!err)
		log_info("%s is being shown", path);
	return err;
}
