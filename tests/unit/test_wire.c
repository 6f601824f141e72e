// SPDX-License-Identifier: MIT
/* test_wire.c - frames of the control protocol, whole, in pieces, and broken. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/wire.h"

struct pair {
	struct wire a, b;
	int fds[2];
};

static int set_up(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
	wire_init(&p->a, p->fds[0]);
	wire_init(&p->b, p->fds[1]);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *p = *state;

	wire_free(&p->a);
	wire_free(&p->b);
	close(p->fds[0]);
	close(p->fds[1]);
	free(p);
	return 0;
}

/* A message {"text":"xxx…"} with n times x. */
static cJSON *make(size_t n)
{
	char *text = malloc(n + 1);
	cJSON *message = cJSON_CreateObject();

	assert_non_null(text);
	memset(text, 'x', n);
	text[n] = '\0';
	cJSON_AddStringToObject(message, "text", text);
	free(text);
	return message;
}

static size_t length_of(const cJSON *message)
{
	const cJSON *text = cJSON_GetObjectItemCaseSensitive(message, "text");
	assert_true(cJSON_IsString(text));
	return strlen(text->valuestring);
}

static void expect_message(struct wire *w, size_t n)
{
	cJSON *got = NULL;

	assert_int_equal(wire_receive(w, &got), 1);
	assert_int_equal(length_of(got), n);
	cJSON_Delete(got);
}

static void send_raw(struct pair *p, const void *data, size_t n)
{
	assert_int_equal(send(p->fds[0], data, n, 0), (ssize_t)n);
}

static void test_one_by_one(void **state)
{
	struct pair *p = *state;
	cJSON *none = NULL;

	for (size_t n = 0; n < 3; n++) {
		cJSON *message = make(n * 1000);
		assert_int_equal(wire_send(&p->a, message, NULL, 0), 0);
		cJSON_Delete(message);
	}
	for (size_t n = 0; n < 3; n++)
		expect_message(&p->b, n * 1000);
	assert_int_equal(wire_receive(&p->b, &none), 0);
	assert_null(none);
}

static void test_byte_by_byte(void **state)
{
	struct pair *p = *state;
	static const char frame[] = "\x0e\0\0\0{\"text\":\"abc\"}";
	cJSON *got = NULL;

	for (size_t i = 0; i < sizeof(frame) - 2; i++) {
		send_raw(p, frame + i, 1);
		assert_int_equal(wire_receive(&p->b, &got), 0);
	}
	send_raw(p, frame + sizeof(frame) - 2, 1);
	expect_message(&p->b, 3);
}

/* More than the socket holds: accepted in part, the rest kept, then nothing more is accepted. */
static void test_full_socket(void **state)
{
	struct pair *p = *state;
	const size_t big = 900000;
	cJSON *message = make(big), *got = NULL;

	assert_int_equal(wire_send(&p->a, message, NULL, 0), 0);
	assert_true(wire_pending(&p->a));
	assert_int_equal(wire_flush(&p->a), -EAGAIN);
	assert_int_equal(wire_send(&p->a, message, NULL, 0), -EAGAIN);
	cJSON_Delete(message);
	while (wire_receive(&p->b, &got) == 0) {
		int err = wire_flush(&p->a);
		assert_true(err == 0 || err == -EAGAIN);
	}
	assert_non_null(got);
	assert_int_equal(length_of(got), big);
	cJSON_Delete(got);
	assert_false(wire_pending(&p->a));
	assert_int_equal(wire_receive(&p->b, &got), 0);
}

static void test_descriptors(void **state)
{
	struct pair *p = *state;
	struct stat sent, received;
	int fds[2] = {open("/dev/null", O_RDONLY), open("/", O_RDONLY)};
	cJSON *message = make(1);

	assert_int_equal(wire_send(&p->a, message, NULL, 0), 0);
	assert_int_equal(wire_send(&p->a, message, fds, 2), 0);
	cJSON_Delete(message);
	expect_message(&p->b, 1);
	expect_message(&p->b, 1);
	for (size_t i = 0; i < 2; i++) {
		int fd = wire_take_fd(&p->b);
		assert_true(fd >= 0);
		assert_int_equal(fstat(fds[i], &sent), 0);
		assert_int_equal(fstat(fd, &received), 0);
		assert_int_equal(sent.st_ino, received.st_ino);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
		close(fds[i]);
	}
	assert_int_equal(wire_take_fd(&p->b), -1);
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A peer that sends descriptors that nobody asked for can make us hold no more than the limit. */
static void test_too_many_descriptors(void **state)
{
	struct pair *p = *state;
	int fds[CONTROL_MAX_FDS + 1], before = open_descriptors(), got = 0;
	cJSON *message = make(1), *out = NULL;

	for (size_t i = 0; i < CONTROL_MAX_FDS + 1; i++)
		fds[i] = p->fds[0];
	assert_int_equal(wire_send(&p->a, message, fds, CONTROL_MAX_FDS + 1), -E2BIG);
	assert_int_equal(wire_send(&p->a, message, fds, CONTROL_MAX_FDS), 0);
	assert_int_equal(wire_send(&p->a, message, fds, 1), 0);
	cJSON_Delete(message);
	while ((got = wire_receive(&p->b, &out)) == 1)
		cJSON_Delete(out);
	assert_int_equal(got, -EBADMSG);
	assert_int_equal(open_descriptors(), before + CONTROL_MAX_FDS);
	wire_free(&p->b);
	assert_int_equal(open_descriptors(), before);
}

static void test_peers_that_nobody_trusts(void **state)
{
	struct pair *p = *state;
	int before = open_descriptors();
	cJSON *message = make(1000), *out = NULL;

	p->b.no_fds = true;
	assert_int_equal(wire_send(&p->a, message, &p->fds[0], 1), 0);
	assert_int_equal(wire_receive(&p->b, &out), 1);
	cJSON_Delete(out);
	assert_int_equal(wire_take_fd(&p->b), -1);
	assert_int_equal(open_descriptors(), before);
	p->b.max_message = 1000;
	assert_int_equal(wire_send(&p->a, message, NULL, 0), 0);
	cJSON_Delete(message);
	assert_int_equal(wire_receive(&p->b, &out), -E2BIG);
}

static void test_broken_frames(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int error;
	} cases[] = {
		{"\0\0\0\0", 4, -EBADMSG},
		{"\x01\0\x10\0", 4, -E2BIG},
		{"\xff\xff\xff\xff", 4, -E2BIG},
		{"\x01\0\0\0{", 5, -EBADMSG},
		{"\x02\0\0\0[]", 6, -EBADMSG},
		{"\x04\0\0\0null", 8, -EBADMSG},
		{"\x04\0\0\0{} x", 8, -EBADMSG},
		{"\x04\0\0\0{}\0x", 8, -EBADMSG},
		{"\x04\0\0\0{} \n", 8, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cJSON *got = NULL;
		assert_int_equal(set_up(state), 0);
		struct pair *p = *state;
		send_raw(p, cases[i].bytes, cases[i].n);
		assert_int_equal(wire_receive(&p->b, &got), cases[i].error);
		cJSON_Delete(got);
		tear_down(state);
	}
}

static void test_end_of_stream(void **state)
{
	struct pair *p = *state;
	cJSON *message = make(1), *got = NULL;

	send_raw(p, "\x05\0\0\0{", 5);
	assert_int_equal(shutdown(p->fds[0], SHUT_RDWR), 0);
	assert_int_equal(wire_receive(&p->b, &got), -ECONNRESET);
	assert_int_equal(wire_send(&p->b, message, NULL, 0), -EPIPE);
	cJSON_Delete(message);
}

static void test_too_long_to_send(void **state)
{
	struct pair *p = *state;
	cJSON *message = make(CONTROL_MAX_MESSAGE);

	assert_int_equal(wire_send(&p->a, message, NULL, 0), -E2BIG);
	assert_false(wire_pending(&p->a));
	cJSON_Delete(message);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_by_one),
		TEST(test_byte_by_byte),
		TEST(test_full_socket),
		TEST(test_descriptors),
		TEST(test_too_many_descriptors),
		TEST(test_peers_that_nobody_trusts),
		cmocka_unit_test(test_broken_frames),
		TEST(test_end_of_stream),
		TEST(test_too_long_to_send),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
