/* SPDX-License-Identifier: MIT */
#include "report/source_server.h"

#include <ctype.h>
#include <dlfcn.h>
#include <elfutils/debuginfod.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/now.h"
#include "util/parse.h"

#define LIBRARY	     "libdebuginfod.so.1"
#define TIMEOUT	     20 /* seconds */
#define TIMEOUT_MAX  600
#define NS_PER_S     1000000000ULL
#define BUILD_ID_MAX 128 /* characters */

struct source_server {
	void *library;
	debuginfod_client *client;
	/* Functions of the library. */
	__typeof__(&debuginfod_begin) begin;
	__typeof__(&debuginfod_end) end;
	__typeof__(&debuginfod_find_source) find;
	__typeof__(&debuginfod_set_progressfn) set_progress;
	__typeof__(&debuginfod_set_user_data) set_user_data;
	uint32_t timeout;  /* seconds */
	uint64_t deadline; /* ns */
	bool tried, late;
	char dead[160]; /* why nothing is asked any more; "" while it is */
};

struct source_server *source_server_new(void)
{
	return calloc(1, sizeof(struct source_server));
}

void source_server_free(struct source_server *s)
{
	if (!s)
		return;
	if (s->client)
		s->end(s->client);
	if (s->library)
		dlclose(s->library);
	free(s);
}

/* ---- the library -------------------------------------------------------------------------- */

/* The library calls it again and again while it waits, and gives up if it is not 0. It has only the
 * client, and where a function is that knows what belongs to it must be found anew. */
static int check_time(debuginfod_client *client, long unused, long unused_too)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_NOLOAD);
	__typeof__(&debuginfod_get_user_data) user_data = NULL;
	struct source_server *s = NULL;

	if (library)
		user_data = dlsym(library, "debuginfod_get_user_data");
	if (user_data)
		s = user_data(client);
	if (library)
		dlclose(library);
	if (!s || now_ns() < s->deadline)
		return 0;
	s->late = true;
	return 1;
}

static bool load(struct source_server *s)
{
	const char *timeout = getenv("DEBUGINFOD_TIMEOUT");

	if (!timeout || parse_u32(timeout, 1, TIMEOUT_MAX, &s->timeout))
		s->timeout = TIMEOUT;
	s->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!s->library)
		return false;
	s->begin = dlsym(s->library, "debuginfod_begin");
	s->end = dlsym(s->library, "debuginfod_end");
	s->find = dlsym(s->library, "debuginfod_find_source");
	s->set_progress = dlsym(s->library, "debuginfod_set_progressfn");
	s->set_user_data = dlsym(s->library, "debuginfod_set_user_data");
	return s->begin && s->end && s->find && s->set_progress && s->set_user_data;
}

static void begin(struct source_server *s)
{
	s->tried = true;
	if (!load(s)) {
		snprintf(s->dead, sizeof(s->dead),
			LIBRARY
			" cannot be loaded (in Debian it is in the package libdebuginfod1)");
		return;
	}
	s->client = s->begin();
	if (!s->client) {
		snprintf(s->dead, sizeof(s->dead), "the client of debuginfod does not start");
		return;
	}
	s->set_user_data(s->client, s);
	s->set_progress(s->client, check_time);
}

/* ---- asking ------------------------------------------------------------------------------- */

static bool is_build_id(const char *text)
{
	size_t n = 0;

	while (isxdigit((unsigned char)text[n]))
		n++;
	return n && n % 2 == 0 && n <= BUILD_ID_MAX && !text[n];
}

/* What is wrong with the servers, and not with the one file, ends it for all. */
static void explain(struct source_server *s, int err, char *why, size_t why_size)
{
	if (s->late)
		snprintf(s->dead, sizeof(s->dead), "no answer in %u s", s->timeout);
	else if (err == -ENOSYS)
		snprintf(s->dead, sizeof(s->dead), "DEBUGINFOD_URLS names no server");
	else if (err == -ENOENT)
		snprintf(why, why_size, "no server has it");
	else if (err == -ENOMEM)
		snprintf(why, why_size, "out of memory");
	else
		snprintf(s->dead, sizeof(s->dead), "%s", strerror(-err));
	if (*s->dead)
		snprintf(why, why_size, "%s", s->dead);
}

int source_server_open(
	struct source_server *s, const char *build_id, const char *path, char *why, size_t why_size)
{
	if (*path != '/' || !is_build_id(build_id)) {
		snprintf(why, why_size, "%s",
			*path != '/' ? "its path is not absolute"
				     : "the profile has no build id for it");
		return -EINVAL;
	}
	if (!s->tried)
		begin(s);
	if (*s->dead) {
		snprintf(why, why_size, "%s", s->dead);
		return -EHOSTUNREACH;
	}
	uint64_t start = now_ns();
	s->deadline = start + s->timeout * NS_PER_S;
	int fd = s->find(s->client, (const unsigned char *)build_id, 0, path, NULL);
	if (fd >= 0) {
		/* What was just written is at its end. */
		lseek(fd, 0, SEEK_SET);
		return fd;
	}
	/* The library has the same timeout for itself, and may be first. */
	s->late |= now_ns() - start >= s->timeout * NS_PER_S * 9 / 10;
	explain(s, fd, why, why_size);
	return fd;
}
