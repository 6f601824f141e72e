// SPDX-License-Identifier: MIT
/* What the service manager is told, read from the other end of its socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "notify.h"

static char said[1024];
static const char *line = "first";

static void write_line(void *userdata, char *text, size_t size)
{
	snprintf(text, size, "%s", line);
}

/* An abstract socket: no file to clean up. */
static int listen_as_manager(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	int n = snprintf(name, sizeof(name), "@profd-test-notify-%d", (int)getpid());
	memcpy(address.sun_path, name, (size_t)n);
	address.sun_path[0] = '\0';
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static const char *hear(int fd)
{
	ssize_t n = recv(fd, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	return said;
}

static void test_messages(void **state)
{
	int fd = listen_as_manager();
	sd_event *event;
	struct notifier *n = NULL;

	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(notifier_new(&n, event, write_line, NULL), 0);
	assert_string_equal(hear(fd), "");
	notify_ready(n);
	assert_string_equal(hear(fd), "READY=1\nSTATUS=first");
	notify_reloading();
	assert_non_null(strstr(hear(fd), "RELOADING=1\nMONOTONIC_USEC="));
	line = "second";
	notify_ready(n);
	assert_string_equal(hear(fd), "READY=1\nSTATUS=second");
	notify_stopping("bye");
	assert_string_equal(hear(fd), "STOPPING=1\nSTATUS=bye");
	notifier_free(n);
	sd_event_unref(event);
	close(fd);
}

static void test_no_manager(void **state)
{
	sd_event *event;
	struct notifier *n = NULL;

	unsetenv("NOTIFY_SOCKET");
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(notifier_new(&n, event, write_line, NULL), 0);
	notify_ready(n);
	notifier_free(n);
	notifier_free(NULL);
	sd_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_no_manager),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
