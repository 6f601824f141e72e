/* SPDX-License-Identifier: MIT */
/*
 * opener_main.c - the opener's process: takes a question, opens a file, answers. It may hang in any
 * system call on a target's path; the collector kills it then. It parses nothing but /proc.
 */
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "collector/opener.h"
#include "helper/process.h"
#include "opener/open_kinds.h"
#include "opener/places.h"
#include "symbols/debug_dirs.h"
#include "symbols/jit_file.h"
#include "util/cleanup.h"
#include "util/log.h"

union question {
	struct opener_question q;
	char bytes[OPENER_MAX_QUESTION];
};

bool opener_string_ok(const char *text, uint32_t size)
{
	return size >= 2 && size <= PATH_MAX && strnlen(text, size) == size - 1;
}

static bool question_ok(const union question *message, size_t size)
{
	const struct opener_question *q = &message->q;
	if (size < sizeof(*q) || q->path_size > PATH_MAX || q->near_size > PATH_MAX ||
		size != sizeof(*q) + q->path_size + q->near_size)
		return false;
	const char *path = message->bytes + sizeof(*q);
	if (q->kind != OPENER_JIT && !opener_string_ok(path, q->path_size))
		return false;
	return !q->near_size || opener_string_ok(path + q->path_size, q->near_size);
}

/* If it cannot be sent, neither can the answer. */
void opener_tell_place(const struct opener_question *q, uint64_t place)
{
	struct opener_answer a = {.id = q->id, .place = place, .error = -EINPROGRESS};

	helper_send(HELPER_SOCKET, &a, sizeof(a), NULL, 0);
}

static void enter_debug_folder(void *userdata, bool system)
{
	const struct opener_question *q = userdata;

	opener_tell_place(q, system ? PLACE_FOLDERS : q->place);
}

/* Below the root of the process first, if that is another than ours. */
static int open_debug(struct roots *roots, const struct opener_question *q, const char *name,
	const char *near, const char *debug_dirs)
{
	int target = q->pid ? roots_of_process(roots, q->pid) : -1;

	const struct debug_roots where = {
		.target = target == roots->own ? -1 : target,
		.own = roots->own,
		.owner = q->owner,
		.inode = q->inode,
		.enter = enter_debug_folder,
		.userdata = (void *)q,
	};

	return debug_dirs_open(name, near, &where, debug_dirs);
}

static int open_jit_file(struct roots *roots, const struct opener_question *q)
{
	int root = roots_of_process(roots, q->pid);

	return root < 0 ? root : jit_file_open(root, q->pid);
}

static int answer_question(
	struct roots *roots, const union question *message, const char *debug_dirs)
{
	const struct opener_question *q = &message->q;
	const char *path = message->bytes + sizeof(*q);
	const char *near = q->near_size ? path + q->path_size : NULL;
	switch (q->kind) {
	case OPENER_MAPPING:
		return open_mapping(roots, q, path);
	case OPENER_JIT:
		return open_jit_file(roots, q);
	case OPENER_DEBUG:
		return open_debug(roots, q, path, near, debug_dirs);
	default:
		return -EINVAL;
	}
}

/* The path of an open file as seen from its own root; 0: it has none any more. */
static uint32_t real_path(int fd, char *out)
{
	char link[64];
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_nlink == 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, out, PATH_MAX - 1);
	if (n <= 0 || out[0] != '/')
		return 0;
	out[n] = '\0';
	return (uint32_t)n + 1;
}

static ssize_t send_answer(uint64_t id, int fd)
{
	union {
		struct opener_answer a;
		char bytes[OPENER_MAX_ANSWER];
	} message;
	message.a = (struct opener_answer){.id = id, .error = fd < 0 ? fd : 0};
	if (fd >= 0)
		message.a.path_size = real_path(fd, message.bytes + sizeof(message.a));
	return helper_send(HELPER_SOCKET, &message, sizeof(message.a) + message.a.path_size, &fd,
		fd >= 0 ? 1 : 0);
}

/* Sleeps until there is a question; roots that nobody asked for lately are let go meanwhile. */
static void wait_for_question(struct roots *roots)
{
	int seconds;
	struct pollfd readable = {.fd = HELPER_SOCKET, .events = POLLIN};
	do {
		seconds = roots_expire(roots);
	} while (poll(&readable, 1, seconds < 0 ? -1 : seconds * 1000) == 0);
}

int opener_main(const char *debug_dirs)
{
	static union question message;
	struct roots roots;
	int error = roots_open(&roots);
	while (!error) {
		wait_for_question(&roots);
		ssize_t n = helper_receive(HELPER_SOCKET, &message, sizeof(message), NULL, NULL);
		if (n <= 0) { /* 0: the collector is gone */
			error = (int)n;
			break;
		}
		if (!question_ok(&message, (size_t)n)) {
			error = -EBADMSG;
			break;
		}
		int fd = answer_question(&roots, &message, debug_dirs ? debug_dirs : "");
		ssize_t sent = send_answer(message.q.id, fd);
		close_fd(fd);
		error = sent < 0 ? (int)sent : 0;
	}
	roots_close(&roots);
	if (error && error != -EPIPE && error != -ECONNRESET)
		log_error("opener: %s", strerror(-error));
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
