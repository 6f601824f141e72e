/* SPDX-License-Identifier: MIT */
#include "report/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile/gunzip.h"
#include "report/names.h"
#include "report/source_server.h"
#include "util/cleanup.h"
#include "util/grow.h"

#define FILE_MAX       (64U << 20) /* bytes of a source file */
#define LINE_MAX_BYTES 65535 /* behind a longer line nothing is shown (bufio.Scanner's limit) */

int source_reader_init(
	struct source_reader *s, const char *search, const char *trim, bool debuginfod)
{
	*s = (struct source_reader){.trim = trim ? trim : "", .build_id = ""};
	s->search = search && *search ? strdup(search) : getcwd(NULL, 0);
	if (!s->search)
		return -errno;
	if (debuginfod)
		s->server = source_server_new();
	return debuginfod && !s->server ? -ENOMEM : 0;
}

void source_reader_free(struct source_reader *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->files[i].path);
		free(s->files[i].text);
		free((void *)s->files[i].lines);
		free(s->files[i].problem);
	}
	free(s->files);
	free(s->search);
	source_server_free(s->server);
	*s = (struct source_reader){0};
}

/* ---- finding ------------------------------------------------------------------------------ */

static int open_regular(const char *path)
{
	/* A path of others' may name a pipe, which would be waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return fd;
	close(fd);
	return -EINVAL;
}

/* Below `directory`, which is cut to its parents one after the other. */
static int open_below(char *directory, const char *path)
{
	for (;;) {
		_cleanup_free_ char *whole = NULL;
		if (asprintf(&whole, "%s/%s", directory, path) < 0) {
			whole = NULL;
			return -ENOMEM;
		}
		int fd = open_regular(whole);
		char *slash = strrchr(directory, '/');
		if (fd >= 0 || !*directory || (!slash && !strcmp(directory, ".")))
			return fd;
		if (slash)
			*slash = '\0';
		else
			memcpy(directory, ".", 2);
	}
}

static int open_in_search(const char *search, const char *path)
{
	while (*search) {
		size_t length = strcspn(search, ":");
		_cleanup_free_ char *directory = strndup(search, length);
		if (!directory)
			return -ENOMEM;
		if (length) {
			int fd = open_below(directory, path);
			if (fd >= 0 || fd == -ENOMEM)
				return fd;
		}
		search += length + (search[length] == ':');
	}
	return -ENOENT;
}

/* Opens it, or says why not in *problem, in Go's words. */
static int open_source(const struct source_reader *s, const char *path, char **problem)
{
	const char *rest = trim_path(path, s->trim, s->search);
	int fd = *rest == '/' ? open_regular(rest) : open_in_search(s->search, rest);
	int n = 0;
	if (fd >= 0)
		return fd;
	if (*rest == '/') {
		char why[128];
		snprintf(why, sizeof(why), "%s", strerror(-fd));
		why[0] = (char)tolower((unsigned char)why[0]);
		n = asprintf(problem, "open %s: %s", rest, why);
	} else {
		n = asprintf(problem, "could not find file %s on path %s", rest, s->search);
	}
	if (n < 0)
		*problem = NULL;
	return fd;
}

/* Adds to the problem what the server says. */
static int ask_server(const struct source_reader *s, const char *path, char **problem)
{
	char why[192] = "", *both;

	int fd = source_server_open(s->server, s->build_id, path, why, sizeof(why));
	if (fd >= 0)
		both = NULL;
	else if (asprintf(&both, "%s; debuginfod: %s", *problem ? *problem : "", why) < 0)
		both = NULL;
	free(*problem);
	*problem = both;
	return fd;
}

/* ---- reading ------------------------------------------------------------------------------ */

static int add_line(struct source_file *f, size_t *capacity, char *line, size_t length)
{
	int r = grow(f->lines, f->n, *capacity, 1);
	if (r < 0)
		return r;
	if (length && line[length - 1] == '\r')
		line[length - 1] = '\0';
	f->lines[f->n++] = line;
	return 0;
}

static int split(struct source_file *f, size_t size)
{
	size_t capacity = 0;
	char *at = f->text, *end = f->text + size;
	int r = 0;
	while (r == 0 && at < end) {
		char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t length = (size_t)((newline ? newline : end) - at);
		if (length > LINE_MAX_BYTES)
			break;
		at[length] = '\0';
		r = add_line(f, &capacity, at, length);
		at += length + 1;
	}
	return r;
}

static int read_source(struct source_file *f, int fd)
{
	uint8_t *data = NULL;
	size_t size = 0;
	int r = slurp(fd, FILE_MAX, &data, &size);
	if (r < 0)
		return r == -ENOMEM ? r : 0; /* as an empty file */
	f->text = realloc(data, size + 1);
	if (!f->text) {
		free(data);
		return -ENOMEM;
	}
	f->text[size] = '\0';
	return split(f, size);
}

const struct source_file *source_file(struct source_reader *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->files[i].path, path))
			return &s->files[i];
	if (grow(s->files, s->n, s->capacity, 1))
		return NULL;
	struct source_file *f = &s->files[s->n];
	*f = (struct source_file){.path = strdup(path)};
	if (!f->path)
		return NULL;
	s->n++;
	_cleanup_close_ int fd = open_source(s, path, &f->problem);
	if (fd < 0 && fd != -ENOMEM && s->server)
		fd = ask_server(s, path, &f->problem);
	if (fd < 0)
		return f->problem ? f : NULL;
	return read_source(f, fd) ? NULL : f;
}

const char *source_line(const struct source_file *f, int64_t number)
{
	return number > 0 && (uint64_t)number <= f->n ? f->lines[number - 1] : NULL;
}
