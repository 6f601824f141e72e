/* SPDX-License-Identifier: MIT */
/* bad_symbolizer.h - a symbolizer that crashes, hangs and lies, as PROFD_TEST_SYMBOLIZER says. */
#ifndef PROFD_TESTS_BAD_SYMBOLIZER_H
#define PROFD_TESTS_BAD_SYMBOLIZER_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "helper/process.h"
#include "helper/protocol.h"
#include "helper/sandbox.h"
#include "helper/stream.h"
#include "symbolizer/protocol.h"
#include "symbolizer/symbolizer.h"

static inline void say(uint32_t type, const void *data, uint32_t size)
{
	struct helper_head head = {type, size};

	stream_write(HELPER_SOCKET, &head, sizeof(head));
	stream_write(HELPER_SOCKET, data, size);
}

/* Reads one request; exits when there are no more. */
static inline struct symbolizer_request next_request(void)
{
	struct helper_head head;
	struct symbolizer_request request;
	char rest[64];

	if (stream_read(HELPER_SOCKET, &head, sizeof(head), NULL) ||
		stream_read(HELPER_SOCKET, &request, sizeof(request), NULL) ||
		stream_read(HELPER_SOCKET, rest, head.size - sizeof(request), NULL))
		_exit(0);
	return request;
}

/* Looks at the request without taking it: the real symbolizer may have to answer it. */
static inline bool symbols_only(void)
{
	struct {
		struct helper_head head;
		struct symbolizer_request request;
	} peeked;

	if (recv(HELPER_SOCKET, &peeked, sizeof(peeked), MSG_PEEK | MSG_WAITALL) !=
		(ssize_t)sizeof(peeked))
		_exit(0);
	return peeked.request.symbols_only;
}

/* It can read the file, but not name an address of it. */
static inline void fail_at_names(int error)
{
	struct {
		struct symbolizer_answer head;
		struct symbolizer_segment code;
		char strings[8];
	} whole = {.head = {.n_segments = 1, .n_strings = 8}, .code = {0, 0, 1 << 30, 1 << 30}};
	struct {
		struct symbolizer_answer head;
		struct symbolizer_address address;
		char strings[8];
	} failed = {.head = {.error = error, .n_addresses = 1, .n_strings = 8}};

	say(HELPER_ANSWER, &whole, sizeof(whole));
	for (;;) {
		next_request();
		say(HELPER_ANSWER, &failed, sizeof(failed));
	}
}

static inline void want_file(const char *name)
{
	struct helper_head head;

	say(HELPER_WANT, name, (uint32_t)strlen(name));
	stream_read(HELPER_SOCKET, &head, sizeof(head), NULL);
}

/* Names each address that is asked for alone, as of a kernel with or without its debug file. */
static inline void name_kernel(bool has_lines)
{
	struct {
		struct symbolizer_answer head;
		struct symbolizer_address address;
		struct symbolizer_function function;
		struct symbolizer_line line;
		char strings[8];
	} answer = {
		.head = {.flags = has_lines ? SYMBOLIZER_SEES_DEBUG_DWARF : SYMBOLIZER_LACKS_KERNEL,
			.n_addresses = 1,
			.n_functions = 1,
			.n_lines = 1,
			.n_strings = 8,
			.build_id = "0123abcd"},
		.address = {.count = 1},
		.function = {.name = 1},
		.line = {.line = has_lines ? 7 : 0},
		.strings = "\0name\0\0"};

	for (;;) {
		next_request();
		if (!has_lines)
			want_file("!0123abcd");
		say(HELPER_ANSWER, &answer, sizeof(answer));
	}
}

static inline void want_once(void)
{
	next_request();
	want_file("0123abcd");
}

/* As if addresses were hidden; the next question kills it. */
static inline void hide_once(void)
{
	struct {
		struct symbolizer_answer head;
		char strings[8];
	} hidden = {.head = {.error = -EPERM, .n_strings = 8}};

	say(HELPER_ANSWER, &hidden, sizeof(hidden));
	next_request();
	_exit(1);
}

static inline int misbehave(const char *how, const char *memory)
{
	static const struct symbolizer_answer nonsense = {.n_lines = 7};
	static const struct helper_hello hello;

	if (!strcmp(how, "crash-dwarf") || !strcmp(how, "crash-debug-file")) {
		if (symbols_only())
			return symbolizer_main(memory);
		if (!strcmp(how, "crash-debug-file"))
			want_once();
		_exit(SANDBOX_EXIT_MEMORY);
	}
	if (!strcmp(how, "kernel-lines") || !strcmp(how, "kernel-no-lines"))
		name_kernel(!strcmp(how, "kernel-lines"));
	next_request();
	if (!strcmp(how, "nonsense"))
		say(HELPER_ANSWER, &nonsense, sizeof(nonsense));
	else if (!strcmp(how, "hidden"))
		hide_once();
	else if (!strcmp(how, "too-large"))
		fail_at_names(-E2BIG);
	else if (!strcmp(how, "want-path"))
		say(HELPER_WANT, "../etc/shadow", 13);
	while (!strcmp(how, "want-forever") || !strcmp(how, "scratch-forever")) {
		struct helper_head head;

		if (*how == 's')
			say(HELPER_WANT, HELPER_SCRATCH, strlen(HELPER_SCRATCH));
		else
			say(HELPER_WANT, "no-such-file", 12);
		if (stream_read(HELPER_SOCKET, &head, sizeof(head), NULL))
			_exit(0);
	}
	while (!strcmp(how, "hello-forever"))
		say(HELPER_HELLO, &hello, sizeof(hello));
	if (!strcmp(how, "crash"))
		_exit(1);
	pause();
	return 0;
}

/* main() of the symbolizer, or of a bad one. */
static inline int perhaps_bad_symbolizer(const char *memory)
{
	const char *how = getenv("PROFD_TEST_SYMBOLIZER");

	return how ? misbehave(how, memory) : symbolizer_main(memory);
}

#endif
