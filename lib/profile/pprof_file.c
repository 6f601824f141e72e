/* SPDX-License-Identifier: MIT */
/* pprof_file.c - files, gzipped or not, to the bytes that pprof_read.c understands. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile/gunzip.h"
#include "profile/legacy.h"
#include "profile/pprof.h"
#include "profile/private.h"
#include "util/cleanup.h"

#define TEXT_SEEN 512 /* bytes */

/* Says what a file is that is no profile. */
static int check_kind(const uint8_t *data, size_t size, char *why, size_t why_size)
{
	static const struct {
		char magic[9];
		const char *what;
	} others[] = {
		{"PERFILE2", "a perf.data file"},
		{"\177ELF", "an ELF file (a program, a library or a core dump)"},
	};

	if (size == 0) {
		snprintf(why, why_size, "it is empty");
		return -EBADMSG;
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		size_t n = strlen(others[i].magic);

		if (size <= n || memcmp(data, others[i].magic, n) != 0)
			continue;
		snprintf(why, why_size, "it is %s, not a pprof profile", others[i].what);
		return -EBADMSG;
	}
	return 0;
}

/* By its first bytes: a profile.proto has others than these there. */
static bool is_text(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size && i < TEXT_SEEN; i++)
		if (!isascii(data[i]) || !(isprint(data[i]) || isspace(data[i])))
			return false;
	return true;
}

/* What is no profile.proto, by `r` of its reader, may be in one of the formats before it. */
static int try_legacy(
	int r, struct profile **out, const uint8_t *data, size_t size, char *why, size_t why_size)
{
	if (r != -EBADMSG)
		return r;
	int legacy = legacy_parse(out, data, size, why, why_size);
	if (legacy != -ENODATA)
		return legacy;
	/* What its bytes would be in a profile.proto says nothing. */
	if (is_text(data, size))
		snprintf(why, why_size, "it is text, and none that is known to be a profile");
	return r;
}

int pprof_parse(struct profile **out, const void *data, size_t size, char *why, size_t why_size)
{
	_cleanup_free_ uint8_t *raw = NULL;
	int n = check_kind(data, size, why, why_size);
	if (n == 0 && gunzip_is_gzip(data, size)) {
		n = gunzip(data, size, PPROF_MAX_BYTES, &raw, &size, why, why_size);
		data = raw;
	}
	if (n < 0)
		return n;
	n = pprof_read_message(out, data, size, why, why_size);
	return try_legacy(n, out, data, size, why, why_size);
}

/* The same of a block with one byte more than `size`, which becomes part of the profile or is
 * freed. */
static int parse_taken(struct profile **out, uint8_t *data, size_t size, bool no_stacks, char *why,
	size_t why_size)
{
	int r = check_kind(data, size, why, why_size);
	if (r == 0 && gunzip_is_gzip(data, size)) {
		uint8_t *raw = NULL;
		r = gunzip(data, size, PPROF_MAX_BYTES, &raw, &size, why, why_size);
		free(data);
		data = raw;
	}
	if (r == 0) {
		r = pprof_take_message(out, data, size, no_stacks, why, why_size);
		if (r == 0)
			return 0;
		r = try_legacy(r, out, data, size, why, why_size);
	}
	free(data);
	return r;
}

/* The whole file, if its first bytes do not speak against it: a core dump is large. Those of what
 * cannot be read twice are not looked at. */
static int read_whole(int fd, uint8_t **data, size_t *size, char *why, size_t why_size)
{
	uint8_t head[16];
	off_t at = lseek(fd, 0, SEEK_CUR);
	ssize_t n = at < 0 ? -1 : pread(fd, head, sizeof(head), at);
	int r = n > 0 ? check_kind(head, (size_t)n, why, why_size) : 0;

	if (r < 0)
		return r;
	r = slurp(fd, PPROF_MAX_BYTES, data, size);
	if (r == -E2BIG)
		snprintf(why, why_size, "it is larger than %llu GiB", PPROF_MAX_BYTES >> 30);
	else if (r < 0)
		snprintf(why, why_size, "%s", strerror(-r));
	return r;
}

enum reading { READ_ALL, READ_LEAN, READ_LABELS };

static int read_with(struct profile **out, int fd, const char *name, enum reading how, char *why,
	size_t why_size)
{
	uint8_t *data;
	size_t size;
	char reason[256] = "";
	int r = read_whole(fd, &data, &size, reason, sizeof(reason));
	if (r == 0 && how == READ_ALL) {
		r = pprof_parse(out, data, size, reason, sizeof(reason));
		free(data);
	} else if (r == 0) {
		r = parse_taken(out, data, size, how == READ_LABELS, reason, sizeof(reason));
	}
	if (r < 0)
		snprintf(why, why_size, "%s: %s", name, reason);
	return r;
}

int pprof_read(struct profile **out, int fd, const char *name, char *why, size_t why_size)
{
	return read_with(out, fd, name, READ_ALL, why, why_size);
}

int pprof_read_lean(struct profile **out, int fd, const char *name, char *why, size_t why_size)
{
	return read_with(out, fd, name, READ_LEAN, why, why_size);
}

int pprof_read_labels(struct profile **out, int fd, const char *name, char *why, size_t why_size)
{
	return read_with(out, fd, name, READ_LABELS, why, why_size);
}

int64_t pprof_peek_period(int fd)
{
	uint8_t head[4096], inflated[4096];
	ssize_t n = pread(fd, head, sizeof(head), 0);
	size_t size = n > 0 ? (size_t)n : 0;
	if (!gunzip_is_gzip(head, size))
		return pprof_find_period(head, size);
	return pprof_find_period(inflated, gunzip_head(head, size, inflated, sizeof(inflated)));
}

int pprof_read_file(struct profile **out, const char *path, char *why, size_t why_size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		int r = -errno;
		snprintf(why, why_size, "%s: %s", path, strerror(-r));
		return r;
	}
	return pprof_read(out, fd, path, why, why_size);
}
