/* SPDX-License-Identifier: MIT */
/* control_fixture.h - a control socket with a collector that records nothing, and its clients. */
#ifndef PROFD_TEST_CONTROL_FIXTURE_H
#define PROFD_TEST_CONTROL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "access.h"
#include "cgroup.h"
#include "connection.h"
#include "control.h"
#include "control/wire.h"
#include "fake_collector.h"
#include "request.h"
#include "util/cleanup.h"

#define NOBODY 65534u

static char folder[] = "/tmp/profd-test-control.XXXXXX";
static char socket_path[64];

struct bed {
	sd_event *event;
	struct control *control;
	struct privileges privileges;
};

struct client {
	int fd;
	struct wire wire;
};

static inline int make_folder(void **state)
{
	if (!mkdtemp(folder) || chmod(folder, 0755))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/profd.sock", folder);
	return 0;
}

static inline int remove_folder(void **state)
{
	return rmdir(folder);
}

static inline int set_up(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	char why[256];

	fake = (struct fake){0};
	b->privileges.uid = getuid();
	if (sd_event_new(&b->event) < 0 || control_new(&b->control, b->event, socket_path, NULL,
						   &b->privileges, why, sizeof(why)))
		return -1;
	*state = b;
	return 0;
}

static inline int tear_down(void **state)
{
	struct bed *b = *state;

	control_free(b->control);
	sd_event_unref(b->event);
	free(b);
	return access(socket_path, F_OK) == 0; /* must be gone */
}

/* ---- a client ----------------------------------------------------------------------------- */

static inline int try_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
	assert_true(fd >= 0);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? close_fd(fd) : fd;
}

static inline void run_loop(struct bed *b)
{
	while (sd_event_run(b->event, 0) > 0)
		;
}

static inline void open_client(struct bed *b, struct client *c)
{
	c->fd = try_connect();
	assert_true(c->fd >= 0);
	wire_init(&c->wire, c->fd);
	run_loop(b);
}

/* As a user without rights; only root can become one. */
static inline void open_nobody(struct bed *b, struct client *c)
{
	if (geteuid())
		skip();
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setegid(NOBODY), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	c->fd = try_connect();
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	assert_true(c->fd >= 0);
	wire_init(&c->wire, c->fd);
	run_loop(b);
}

static inline void close_client(struct bed *b, struct client *c)
{
	wire_free(&c->wire);
	close_fd(c->fd);
	run_loop(b);
}

static inline void tell(struct bed *b, struct client *c, const char *text)
{
	cJSON *message = cJSON_Parse(text);

	assert_non_null(message);
	assert_int_equal(wire_send(&c->wire, message, NULL, 0), 0);
	cJSON_Delete(message);
	run_loop(b);
}

static inline cJSON *hear(struct client *c)
{
	cJSON *message = NULL;
	int got = wire_receive(&c->wire, &message);

	if (got != 1)
		fail_msg("no message: %d", got);
	return message;
}

static inline cJSON *ask(struct bed *b, struct client *c, const char *text)
{
	tell(b, c, text);
	return hear(c);
}

static inline bool is_ok(const cJSON *answer)
{
	return cJSON_IsTrue(cJSON_GetObjectItem(answer, "ok"));
}

static inline const char *text_in(const cJSON *answer, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(answer, key));
	return text ? text : "";
}

static inline void expect_refusal(
	struct bed *b, struct client *c, const char *request, const char *words)
{
	cJSON *answer = ask(b, c, request);

	if (is_ok(answer) || !strstr(text_in(answer, "error"), words))
		fail_msg("%s: '%s' does not say '%s'", request, text_in(answer, "error"), words);
	cJSON_Delete(answer);
}

static inline void expect_ok(struct bed *b, struct client *c, const char *request)
{
	cJSON *answer = ask(b, c, request);

	if (!is_ok(answer))
		fail_msg("%s: %s", request, text_in(answer, "error"));
	cJSON_Delete(answer);
}

static inline void expect_end(struct client *c)
{
	cJSON *message = NULL;
	assert_int_equal(wire_receive(&c->wire, &message), -ECONNRESET);
}

static inline void expect_content(struct client *c)
{
	char text[32] = "";
	_cleanup_close_ int fd = wire_take_fd(&c->wire);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text) - 1), (ssize_t)strlen(FAKE_CONTENT));
	assert_string_equal(text, FAKE_CONTENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
