// SPDX-License-Identifier: MIT
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"
#include "util/whole.h"

static int failed(const char *path, int err)
{
	log_error("cannot write %s: %s", path, strerror(-err));
	return err;
}

static mode_t mode_of_new_files(void)
{
	mode_t mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

static int refuse_terminal(const struct output *o, bool binary)
{
	if (!binary || !isatty(o->fd))
		return 0;
	log_error("the profile is binary, and this is a terminal: write it to a file with -o FILE, "
		  "or into a pipe");
	return -EINVAL;
}

/* A temporary file in the folder of `path`, so that the rename stays in one file system. */
static int open_beside(struct output *o, const char *path, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	int folder = slash ? (int)(slash - path) + 1 : 0;

	o->path = strdup(path);
	if (!o->path || asprintf(&o->tmp, "%.*s.profctl-XXXXXX", folder, path) < 0) {
		o->tmp = NULL;
		return -ENOMEM;
	}
	o->fd = mkostemp(o->tmp, O_CLOEXEC);
	if (o->fd < 0) {
		int err = -errno;
		free(o->tmp);
		o->tmp = NULL;
		return err;
	}
	return fchmod(o->fd, mode) < 0 ? -errno : 0;
}

static int open_path(struct output *o, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? open_beside(o, path, mode_of_new_files()) : -errno;
	if (S_ISREG(st.st_mode)) {
		/* Behind a symbolic link it is the file that is replaced, not the link. */
		_cleanup_free_ char *real = realpath(path, NULL);
		return real ? open_beside(o, real, st.st_mode & 07777) : -errno;
	}
	o->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return o->fd < 0 ? -errno : 0;
}

int output_open(struct output *o, const char *path, bool binary)
{
	bool standard = !path || !strcmp(path, "-");
	int err;

	*o = (struct output){.fd = -1, .name = standard ? "to standard output" : path};
	if (!*o->name) {
		log_error("cannot write a file without a name: -o wants one, or - for standard "
			  "output");
		return -EINVAL;
	}
	if (standard) {
		o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
		err = o->fd < 0 ? -errno : 0;
	} else {
		err = open_path(o, path);
	}
	if (err)
		failed(o->name, err);
	else
		err = refuse_terminal(o, binary);
	if (err)
		output_abort(o);
	return err;
}

int output_commit(struct output *o)
{
	int err = 0;

	if (o->tmp && (fsync(o->fd) < 0 || rename(o->tmp, o->path) < 0))
		err = -errno;
	if (!err) {
		free(o->tmp);
		o->tmp = NULL;
		/* NFS and full quotas speak up here. */
		if (close(take_fd(o->fd)) < 0)
			err = -errno;
	}
	if (err)
		failed(o->name, err);
	output_abort(o);
	return err;
}

void output_abort(struct output *o)
{
	if (o->tmp)
		unlink(o->tmp);
	free(o->tmp);
	free(o->path);
	close_fd(o->fd);
	*o = (struct output){.fd = -1};
}

int output_write(const char *path, bool binary, int (*fill)(void *what, int fd), void *what)
{
	struct output o;

	if (output_open(&o, path, binary))
		return -EIO;
	int err = fill(what, o.fd);
	/* A reader of a pipe that has seen enough is no failure worth a word. */
	if (err && err != -EPIPE && err != -ECANCELED)
		failed(o.name, err);
	if (!err)
		err = output_commit(&o);
	output_abort(&o);
	return err ? -EIO : 0;
}

int output_check(const char *path, bool binary)
{
	struct output o;
	struct stat st;

	/* Who reads a pipe would see its end. */
	if (path && stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0;
	int err = output_open(&o, path, binary);
	output_abort(&o);
	return err;
}

FILE *output_stream(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *out = copy < 0 ? NULL : fdopen(copy, "w");

	if (!out)
		close_fd(copy);
	return out;
}

int output_copy(struct output *o, int from)
{
	char buffer[1 << 16];
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(from, buffer, sizeof(buffer), at);
		if (n == 0)
			return 0;
		int err = n < 0 ? -errno : write_all(o->fd, buffer, (size_t)n);
		if (err)
			return failed(o->name, err);
		at += n;
	}
}

int output_print_path(FILE *to, const char *path)
{
	if (fputs(path, to) >= 0 && fputc('\n', to) != EOF && !fflush(to))
		return 0;
	log_error("cannot print the path of the profile, %s: %s", path, strerror(errno));
	return -EIO;
}

bool output_is_stdout(const struct output *o)
{
	struct stat a, b;

	return o->fd >= 0 && fstat(o->fd, &a) == 0 && fstat(STDOUT_FILENO, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}
