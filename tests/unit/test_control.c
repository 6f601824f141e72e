// SPDX-License-Identifier: MIT
/* The control socket, over real sockets, with a collector that records nothing. */
#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

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

static int make_folder(void **state)
{
	if (!mkdtemp(folder) || chmod(folder, 0755))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/profd.sock", folder);
	return 0;
}

static int remove_folder(void **state)
{
	return rmdir(folder);
}

static int set_up(void **state)
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

static int tear_down(void **state)
{
	struct bed *b = *state;

	control_free(b->control);
	sd_event_unref(b->event);
	free(b);
	return access(socket_path, F_OK) == 0; /* must be gone */
}

/* ---- a client ----------------------------------------------------------------------------- */

static int try_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
	assert_true(fd >= 0);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? close_fd(fd) : fd;
}

static void run_loop(struct bed *b)
{
	while (sd_event_run(b->event, 0) > 0)
		;
}

static void open_client(struct bed *b, struct client *c)
{
	c->fd = try_connect();
	assert_true(c->fd >= 0);
	wire_init(&c->wire, c->fd);
	run_loop(b);
}

/* As a user without rights; only root can become one. */
static void open_nobody(struct bed *b, struct client *c)
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

static void close_client(struct bed *b, struct client *c)
{
	wire_free(&c->wire);
	close_fd(c->fd);
	run_loop(b);
}

static void tell(struct bed *b, struct client *c, const char *text)
{
	cJSON *message = cJSON_Parse(text);

	assert_non_null(message);
	assert_int_equal(wire_send(&c->wire, message, NULL, 0), 0);
	cJSON_Delete(message);
	run_loop(b);
}

static cJSON *hear(struct client *c)
{
	cJSON *message = NULL;
	int got = wire_receive(&c->wire, &message);

	if (got != 1)
		fail_msg("no message: %d", got);
	return message;
}

static cJSON *ask(struct bed *b, struct client *c, const char *text)
{
	tell(b, c, text);
	return hear(c);
}

static bool is_ok(const cJSON *answer)
{
	return cJSON_IsTrue(cJSON_GetObjectItem(answer, "ok"));
}

static const char *text_in(const cJSON *answer, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(answer, key));
	return text ? text : "";
}

static void expect_refusal(struct bed *b, struct client *c, const char *request, const char *words)
{
	cJSON *answer = ask(b, c, request);

	if (is_ok(answer) || !strstr(text_in(answer, "error"), words))
		fail_msg("%s: '%s' does not say '%s'", request, text_in(answer, "error"), words);
	cJSON_Delete(answer);
}

static void expect_ok(struct bed *b, struct client *c, const char *request)
{
	cJSON *answer = ask(b, c, request);

	if (!is_ok(answer))
		fail_msg("%s: %s", request, text_in(answer, "error"));
	cJSON_Delete(answer);
}

static void expect_end(struct client *c)
{
	cJSON *message = NULL;
	assert_int_equal(wire_receive(&c->wire, &message), -ECONNRESET);
}

static void expect_content(struct client *c)
{
	char text[32] = "";
	_cleanup_close_ int fd = wire_take_fd(&c->wire);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text) - 1), (ssize_t)strlen(FAKE_CONTENT));
	assert_string_equal(text, FAKE_CONTENT);
}

/* ---- status, errors ----------------------------------------------------------------------- */

static void test_status(void **state)
{
	struct bed *b = *state;
	struct client c;
	struct stat st;

	assert_int_equal(stat(socket_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	open_client(b, &c);
	cJSON *answer = ask(b, &c, "{\"op\":\"status\"}");
	assert_true(is_ok(answer));
	const cJSON *status = cJSON_GetObjectItem(answer, "status");
	assert_non_null(cJSON_GetObjectItem(status, "padding"));
	assert_non_null(cJSON_GetObjectItem(status, "privileges"));
	cJSON_Delete(answer);
	close_client(b, &c);
}

static void test_bad_messages(void **state)
{
	static const char *const broken[] = {"\4\0\0\0null", "\0\0\0\0", "\377\377\377\177xxxx",
		"\2\0\0\0{]", "\1\0\1\0" /* more than 64 KiB */};
	static const size_t sizes[] = {8, 4, 8, 6, 4};
	struct bed *b = *state;
	struct client c;

	open_client(b, &c);
	expect_refusal(b, &c, "{}", "does not know");
	expect_refusal(b, &c, "{\"op\":7}", "does not know");
	expect_refusal(b, &c, "{\"op\":\"stop\"}", "nothing is recorded");
	close_client(b, &c);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		open_client(b, &c);
		assert_int_equal(write(c.fd, broken[i], sizes[i]), (ssize_t)sizes[i]);
		run_loop(b);
		cJSON *answer = hear(&c);
		assert_false(is_ok(answer));
		cJSON_Delete(answer);
		expect_end(&c);
		close_client(b, &c);
	}
	assert_null(b->control->connections);
}

static void test_descriptors_of_clients_are_closed(void **state)
{
	struct bed *b = *state;
	struct client c;
	int pipe_fds[2];
	char byte;
	cJSON *message = cJSON_Parse("{\"op\":\"status\"}");

	assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
	open_client(b, &c);
	assert_int_equal(wire_send(&c.wire, message, &pipe_fds[1], 1), 0);
	cJSON_Delete(message);
	close(pipe_fds[1]);
	run_loop(b);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 0); /* nobody holds the other end */
	close(pipe_fds[0]);
	close_client(b, &c);
}

/* ---- recordings --------------------------------------------------------------------------- */

static void test_record(void **state)
{
	struct bed *b = *state;
	struct client c;
	char request[128];

	open_client(b, &c);
	snprintf(request, sizeof(request),
		"{\"op\":\"record\",\"types\":[\"cpu\"],\"pids\":[%d],\"children\":true,"
		"\"seconds\":0,\"frequency\":250}",
		(int)getpid());
	cJSON *answer = ask(b, &c, request);
	assert_true(is_ok(answer));
	assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(answer, "session")), 1);
	cJSON_Delete(answer);
	assert_int_equal(fake.last->request.frequency, 250);
	assert_int_equal(fake.last->request.seconds, 0);
	assert_true(fake.last->request.filter.children);
	assert_int_equal(fake.last->request.filter.n_pids, 1);
	assert_false(fake.last->request.filter.by_uid);
	assert_false(fake.last->request.also_descriptor);
	expect_refusal(b, &c, "{\"op\":\"status\"}", "is recording");
	answer = ask(b, &c, "{\"op\":\"stop\"}");
	assert_string_equal(text_in(answer, "event"), "done");
	assert_string_equal(text_in(answer, "reason"), "stopped");
	const cJSON *file = cJSON_GetArrayItem(cJSON_GetObjectItem(answer, "files"), 0);
	assert_string_equal(text_in(file, "type"), "cpu");
	assert_string_equal(text_in(file, "path"), "/store/records/x.cpu.pb.gz");
	assert_int_equal(wire_take_fd(&c.wire), -1);
	cJSON_Delete(answer);
	expect_ok(b, &c, "{\"op\":\"status\"}");
	close_client(b, &c);
}

static void test_discard(void **state)
{
	struct bed *b = *state;
	struct client c;
	cJSON *answer;

	open_client(b, &c);
	expect_ok(b, &c, "{\"op\":\"record\"}");
	answer = ask(b, &c, "{\"op\":\"stop\",\"discard\":true}");
	assert_string_equal(text_in(answer, "event"), "done");
	assert_true(fake.last->request.deliver);
	expect_content(&c);
	cJSON_Delete(answer);
	close_client(b, &c);
}

static void test_deliver(void **state)
{
	struct bed *b = *state;
	struct client c;

	open_client(b, &c);
	expect_ok(b, &c, "{\"op\":\"record\",\"deliver\":true}");
	assert_int_equal(fake.last->request.frequency, 99);
	assert_int_equal(fake.last->request.seconds, 30);
	fake_finish(fake.last, RECORDING_TIME);
	cJSON *done = hear(&c);
	assert_string_equal(text_in(done, "event"), "done");
	cJSON_Delete(done);
	expect_content(&c);
	close_client(b, &c);
}

static void test_failed_recording(void **state)
{
	struct bed *b = *state;
	struct client c;
	struct recording_result result = {.error = -ENOSPC, .message = "", .path = "", .fd = -1};

	open_client(b, &c);
	expect_ok(b, &c, "{\"op\":\"record\"}");
	fake.last->running = false;
	fake.last->done(fake.last->userdata, &result);
	cJSON *answer = hear(&c);
	assert_string_equal(text_in(answer, "event"), "failed");
	assert_string_equal(text_in(answer, "error"), strerror(ENOSPC));
	cJSON_Delete(answer);
	close_client(b, &c);
}

/* A client that leaves ends its recording, at once or later; both orders of the daemon's end. */
static void test_leaving(void **state)
{
	struct bed *b = *state;
	struct client c;

	open_client(b, &c);
	expect_ok(b, &c, "{\"op\":\"record\"}");
	close_client(b, &c);
	assert_int_equal(fake_running(), 0);
	assert_null(b->control->connections);

	fake.stop_is_slow = true;
	open_client(b, &c);
	expect_ok(b, &c, "{\"op\":\"record\",\"deliver\":true}");
	close_client(b, &c);
	assert_non_null(b->control->connections);
	fake_finish(fake.last, RECORDING_STOPPED);
	assert_null(b->control->connections);

	open_client(b, &c);
	expect_ok(b, &c, "{\"op\":\"record\"}");
	tell(b, &c, "{\"op\":\"stop\"}");
	close_client(b, &c);
	assert_non_null(b->control->connections); /* freed by tear_down */
}

static void test_bad_requests(void **state)
{
	static const char *const cases[][2] = {
		{"{\"op\":\"record\",\"types\":[\"cpu\",\"heap\"]}", "one type"},
		{"{\"op\":\"record\",\"types\":[\"block\"]}", "'block'"},
		{"{\"op\":\"record\",\"types\":[\"heap\"]}", "whole host"},
		{"{\"op\":\"record\",\"types\":[]}", "types"},
		{"{\"op\":\"record\",\"types\":\"cpu\"}", "types"},
		{"{\"op\":\"record\",\"types\":[1]}", "'?'"},
		{"{\"op\":\"record\",\"frequency\":0}", "from 1 to 1000"},
		{"{\"op\":\"record\",\"frequency\":1001}", "from 1 to 1000"},
		{"{\"op\":\"record\",\"frequency\":99.5}", "whole number"},
		{"{\"op\":\"record\",\"frequency\":\"99\"}", "whole number"},
		{"{\"op\":\"record\",\"seconds\":-1}", "from 0 to"},
		{"{\"op\":\"record\",\"seconds\":1e300}", "from 0 to"},
		{"{\"op\":\"record\",\"pids\":7}", "not a list"},
		{"{\"op\":\"record\",\"pids\":[0]}", "from 1 to 4194304"},
		{"{\"op\":\"record\",\"pids\":[4194305]}", "from 1 to 4194304"},
		{"{\"op\":\"record\",\"pids\":[4194304]}", "no process 4194304"},
		{"{\"op\":\"record\",\"tids\":[null]}", "from 1 to 4194304"},
		{"{\"op\":\"record\",\"children\":1}", "neither true nor false"},
		{"{\"op\":\"record\",\"children\":true}", "children of which"},
		{"{\"op\":\"record\",\"comm\":\"0123456789abcdef\"}", "longer than 15"},
		{"{\"op\":\"record\",\"comm\":[]}", "not a text"},
		{"{\"op\":\"record\",\"cgroup\":\"/../etc\"}", "not the path of a cgroup"},
		{"{\"op\":\"record\",\"cgroup\":\"/no/such/group\"}", "no cgroup '/no/such/group'"},
		{"{\"op\":\"record\",\"deliver\":\"yes\"}", "neither true nor false"},
	};
	struct bed *b = *state;
	struct client c;

	open_client(b, &c);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_refusal(b, &c, cases[i][0], cases[i][1]);
	assert_int_equal(fake.sessions, 0);
	close_client(b, &c);
}

static void test_too_many_pids(void **state)
{
	struct peer peer = {.uid = getuid(), .full = true};
	struct refusal refusal;
	struct request *request = malloc(sizeof(*request));
	cJSON *message = cJSON_Parse("{\"op\":\"record\"}");
	cJSON *pids = cJSON_AddArrayToObject(message, "pids");

	for (int i = 0; i < REQUEST_MAX_PIDS; i++)
		cJSON_AddItemToArray(pids, cJSON_CreateNumber(getpid()));
	assert_int_equal(request_parse(message, &peer, request, &refusal), 0);
	assert_int_equal(request->record.filter.n_pids, REQUEST_MAX_PIDS);
	cJSON_AddItemToArray(pids, cJSON_CreateNumber(getpid()));
	assert_int_equal(request_parse(message, &peer, request, &refusal), -E2BIG);
	cJSON_Delete(message);
	free(request);
}

static void test_ninth_session(void **state)
{
	struct bed *b = *state;
	struct client clients[FAKE_SESSIONS + 1];

	for (size_t i = 0; i <= FAKE_SESSIONS; i++) {
		open_client(b, &clients[i]);
		if (i < FAKE_SESSIONS)
			expect_ok(b, &clients[i], "{\"op\":\"record\"}");
		else
			expect_refusal(b, &clients[i], "{\"op\":\"record\"}", "all sessions");
	}
	for (size_t i = 0; i <= FAKE_SESSIONS; i++)
		close_client(b, &clients[i]);
	assert_int_equal(fake_running(), 0);
}

/* ---- rights ------------------------------------------------------------------------------- */

static void test_rights_of_others(void **state)
{
	struct bed *b = *state;
	struct client c;
	char request[64];

	open_nobody(b, &c);
	assert_false(b->control->connections->peer.full);
	expect_refusal(b, &c, "{\"op\":\"window\"}", "all users");
	snprintf(request, sizeof(request), "{\"op\":\"record\",\"pids\":[%d]}", (int)getpid());
	expect_refusal(b, &c, request, "belongs to root");
	snprintf(request, sizeof(request), "{\"op\":\"record\",\"tids\":[%d]}", (int)getpid());
	expect_refusal(b, &c, request, "belongs to root");
	expect_ok(b, &c, "{\"op\":\"record\"}");
	assert_true(fake.last->request.filter.by_uid);
	assert_int_equal(fake.last->request.filter.uid, NOBODY);
	assert_true(fake.last->request.filter.no_kernel);
	assert_int_equal(fake.last->request.uid, NOBODY);
	fake_finish(fake.last, RECORDING_TIME);
	cJSON_Delete(hear(&c));
	expect_content(&c); /* he may not read the store */
	close_client(b, &c);
}

/* The rights follow from the peer alone, so this part needs no second user. */
static void test_foreign_process(void **state)
{
	struct peer other = {.uid = getuid() + 1}, self = {.uid = getuid()};
	char why[128] = "";

	assert_int_equal(access_process(&other, (uint32_t)getpid(), why, sizeof(why)), -EPERM);
	assert_non_null(strstr(why, "belongs to"));
	assert_int_equal(access_process(&self, (uint32_t)getpid(), why, sizeof(why)), 0);
	other.full = true;
	assert_int_equal(access_process(&other, (uint32_t)getpid(), why, sizeof(why)), 0);
	assert_int_equal(access_process(&self, REQUEST_MAX_PID, why, sizeof(why)), -ESRCH);
}

static void test_limits_of_others(void **state)
{
	struct bed *b = *state;
	struct client clients[CONTROL_MAX_PER_USER + 1];

	for (size_t i = 0; i <= CONTROL_MAX_PER_USER; i++) {
		open_nobody(b, &clients[i]);
		if (i < CONTROL_MAX_OWN_RECORDINGS)
			expect_ok(b, &clients[i], "{\"op\":\"record\"}");
		else if (i < CONTROL_MAX_PER_USER)
			expect_refusal(b, &clients[i], "{\"op\":\"record\"}", "you record");
	}
	cJSON *answer = hear(&clients[CONTROL_MAX_PER_USER]);
	assert_non_null(strstr(text_in(answer, "error"), "too many connections"));
	cJSON_Delete(answer);
	expect_end(&clients[CONTROL_MAX_PER_USER]);
	for (size_t i = 0; i <= CONTROL_MAX_PER_USER; i++)
		close_client(b, &clients[i]);
}

static void test_beginnings_of_others(void **state)
{
	struct bed *b = *state;
	struct client c;

	open_nobody(b, &c);
	for (size_t i = 0; i < CONTROL_OTHERS_BURST; i++) {
		expect_ok(b, &c, "{\"op\":\"record\"}");
		cJSON_Delete(ask(b, &c, "{\"op\":\"stop\"}"));
		close_fd(wire_take_fd(&c.wire));
	}
	expect_refusal(b, &c, "{\"op\":\"record\"}", "as often as is allowed");
	b->control->others_begin -= 2000000; /* as if two seconds had passed */
	expect_ok(b, &c, "{\"op\":\"record\"}");
	close_client(b, &c);
}

static void test_snapshots_that_cannot_be(void **state)
{
	struct bed *b = *state;
	struct client c;

	open_client(b, &c);
	expect_refusal(b, &c, "{\"op\":\"snapshot\"}", "no process");
	expect_refusal(b, &c, "{\"op\":\"snapshot\",\"pid\":-1}", "no process");
	expect_refusal(b, &c,
		"{\"op\":\"record\",\"types\":[\"heap\"],\"comm\":\"x\",\"snapshot_grown\":-1}",
		"no number of bytes");
	expect_refusal(
		b, &c, "{\"op\":\"record\",\"types\":[\"cpu\"],\"peak\":true}", "has a peak");
	expect_refusal(b, &c, "{\"op\":\"record\",\"types\":[\"cpu\"],\"temporary\":10000}",
		"only what is allocated is temporary");
	expect_refusal(b, &c,
		"{\"op\":\"record\",\"types\":[\"heap\"],\"comm\":\"x\",\"temporary\":7000}",
		"no step of its scale");
	expect_refusal(b, &c, "{\"op\":\"record\",\"types\":[\"cpu\"],\"snapshot_seconds\":3}",
		"has snapshots");
	expect_refusal(b, &c, "{\"op\":\"record\",\"types\":[\"cpu\"],\"snapshot_allocated\":1024}",
		"has snapshots");
	expect_refusal(b, &c, "{\"op\":\"record\",\"types\":[\"cpu\"],\"snapshot_grown\":1024}",
		"has snapshots");
	expect_refusal(
		b, &c, "{\"op\":\"record\",\"types\":[\"cpu\"],\"max_cost\":5}", "ceiling of cost");
	close_client(b, &c);
}

static void test_snapshots(void **state)
{
	struct bed *b = *state;
	struct client c, other;

	open_client(b, &c);
	open_client(b, &other);
	expect_refusal(b, &other, "{\"op\":\"snapshot\",\"pid\":7}", "no heap recording");
	expect_ok(b, &c,
		"{\"op\":\"record\",\"types\":[\"heap\"],\"comm\":\"x\",\"snapshot_seconds\":3,"
		"\"snapshot_allocated\":1048576,\"peak\":true,\"temporary\":10000}");
	assert_true(fake.last->request.peak);
	assert_int_equal(fake.last->request.temporary, 10000);
	assert_int_equal(fake.last->request.snapshots.seconds, 3);
	assert_int_equal(fake.last->request.snapshots.allocated, 1 << 20);
	assert_int_equal(fake.last->request.snapshots.grown, 0);
	expect_refusal(b, &other, "{\"op\":\"snapshot\",\"pid\":8}", "no heap recording");
	cJSON *answer = ask(b, &other, "{\"op\":\"snapshot\",\"pid\":7}");
	assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(answer, "asked")), 1);
	assert_true(cJSON_IsFalse(cJSON_GetObjectItem(answer, "stored")));
	cJSON_Delete(answer);
	assert_int_equal(fake.snapshots, 1);
	/* Of what is profiled all the time. */
	answer = ask(b, &other, "{\"op\":\"snapshot\",\"pid\":9}");
	assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(answer, "asked")), 0);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(answer, "stored")));
	cJSON_Delete(answer);
	assert_int_equal(fake.snapshots, 101 + getuid());
	/* They come with a descriptor each, as long as they are taken. */
	assert_true(fake.last->request.snapshot(fake.last->userdata, 1, "why", fake_file()));
	answer = hear(&c);
	assert_string_equal(text_in(answer, "event"), "snapshot");
	assert_string_equal(text_in(answer, "comment"), "why");
	cJSON_Delete(answer);
	int fd = wire_take_fd(&c.wire);
	assert_true(fd >= 0);
	close(fd);
	cJSON_Delete(ask(b, &c, "{\"op\":\"stop\"}"));
	close_client(b, &other);
	close_client(b, &c);
}

static bool send_snapshot(off_t bytes)
{
	int fd = memfd_create("snapshot", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, bytes), 0);
	return fake.last->request.snapshot(fake.last->userdata, 1, "why", fd);
}

/* What they do not read takes memory. */
static void test_snapshots_of_others(void **state)
{
	const char request[] = "{\"op\":\"record\",\"types\":[\"heap\"],\"comm\":\"x\"}";
	struct bed *b = *state;
	struct client his, roots;

	open_nobody(b, &his);
	expect_ok(b, &his, request);
	const struct snapshot_plan *plan = &fake.last->request.snapshots;
	assert_int_equal(plan->at_once, REQUEST_OTHERS_AT_ONCE);
	assert_int_equal(plan->rest, REQUEST_OTHERS_REST);
	assert_int_equal(plan->max_bytes, REQUEST_OTHERS_SNAPSHOTS);
	for (int i = 0; i < 2; i++) {
		assert_true(send_snapshot(CONTROL_MAX_UNREAD / 2));
		assert_false(send_snapshot(CONTROL_MAX_UNREAD));
		assert_true(send_snapshot(CONTROL_MAX_UNREAD / 2));
		assert_false(send_snapshot(1));
		for (int k = 0; k < 2; k++) {
			cJSON_Delete(hear(&his));
			close_fd(wire_take_fd(&his.wire));
		}
	}
	/* However large one is, it comes. */
	assert_true(send_snapshot(2 * (off_t)CONTROL_MAX_UNREAD));
	close_client(b, &his);
	open_client(b, &roots);
	expect_ok(b, &roots, request);
	assert_int_equal(fake.last->request.snapshots.max_bytes, 0);
	for (int i = 0; i < 3; i++)
		assert_true(send_snapshot(CONTROL_MAX_UNREAD));
	close_client(b, &roots);
}

static void test_connection_limit(void **state)
{
	struct bed *b = *state;
	struct client clients[CONTROL_MAX_CONNECTIONS + 1];

	for (size_t i = 0; i <= CONTROL_MAX_CONNECTIONS; i++)
		open_client(b, &clients[i]);
	cJSON *answer = hear(&clients[CONTROL_MAX_CONNECTIONS]);
	assert_non_null(strstr(text_in(answer, "error"), "too many clients"));
	cJSON_Delete(answer);
	expect_end(&clients[CONTROL_MAX_CONNECTIONS]);
	close_client(b, &clients[0]);
	close_client(b, &clients[CONTROL_MAX_CONNECTIONS]);
	open_client(b, &clients[0]);
	expect_ok(b, &clients[0], "{\"op\":\"status\"}");
	for (size_t i = 0; i < CONTROL_MAX_CONNECTIONS; i++)
		close_client(b, &clients[i]);
}

/* ---- windows, records --------------------------------------------------------------------- */

static void test_window(void **state)
{
	struct bed *b = *state;
	struct client c;

	open_client(b, &c);
	expect_refusal(b, &c, "{\"op\":\"window\",\"type\":\"heap\"}", "of this type");
	expect_refusal(b, &c, "{\"op\":\"window\",\"type\":\"nothing\"}", "of this type");
	tell(b, &c, "{\"op\":\"window\",\"type\":\"cpu\"}");
	assert_non_null(fake.window);
	tell(b, &c, "{\"op\":\"status\"}"); /* waits its turn */
	window_done done = fake.window;
	fake.window = NULL;
	done(fake.window_userdata, fake_file(), 0, 1700000000, 12);
	cJSON *answer = hear(&c);
	assert_true(is_ok(answer));
	assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(answer, "start")), 1700000000);
	cJSON_Delete(answer);
	expect_content(&c);
	run_loop(b);
	answer = hear(&c);
	assert_non_null(cJSON_GetObjectItem(answer, "status"));
	cJSON_Delete(answer);

	tell(b, &c, "{\"op\":\"window\"}");
	done = fake.window;
	fake.window = NULL;
	done(fake.window_userdata, -1, -ENOSPC, 0, 0);
	answer = hear(&c);
	assert_non_null(strstr(text_in(answer, "error"), strerror(ENOSPC)));
	cJSON_Delete(answer);

	tell(b, &c, "{\"op\":\"window\"}");
	close_client(b, &c);
	assert_int_equal(fake.cancelled, 1);
	assert_null(b->control->connections);
}

static void test_records(void **state)
{
	struct bed *b = *state;
	struct client c;
	uid_t me = getuid();
	char mine[96], linked[96], request[160];
	snprintf(mine, sizeof(mine), "%s/mine", folder);
	snprintf(linked, sizeof(linked), "%s/linked", folder);
	const struct store_entry entries[] = {
		{.path = "/etc/passwd", .type = "cpu"},
		{.path = "/etc/hostname", .type = "cpu", .recording = true, .uid = me + 1},
		{.path = mine, .type = "cpu", .recording = true, .uid = me, .start = 7, .size = 3},
		{.path = linked, .type = "cpu", .recording = true, .uid = me, .start = 9},
	};
	FILE *f = fopen(mine, "w");
	assert_non_null(f);
	fputs(FAKE_CONTENT, f);
	fclose(f);
	assert_int_equal(symlink("/etc/passwd", linked), 0);
	fake.entries = entries;
	fake.n_entries = 4;

	open_client(b, &c);
	cJSON *answer = ask(b, &c, "{\"op\":\"records\"}");
	const cJSON *records = cJSON_GetObjectItem(answer, "records");
	assert_int_equal(cJSON_GetArraySize(records), 2);
	assert_string_equal(text_in(cJSON_GetArrayItem(records, 0), "path"), linked);
	assert_string_equal(text_in(cJSON_GetArrayItem(records, 1), "path"), mine);
	cJSON_Delete(answer);
	snprintf(request, sizeof(request), "{\"op\":\"open\",\"path\":\"%s\"}", mine);
	expect_ok(b, &c, request);
	expect_content(&c);
	expect_refusal(b, &c, "{\"op\":\"open\",\"path\":\"/etc/passwd\"}", "none of your");
	expect_refusal(b, &c, "{\"op\":\"open\",\"path\":\"/etc/hostname\"}", "none of your");
	expect_refusal(b, &c, "{\"op\":\"open\",\"path\":\"/etc/fstab\"}", "none of your");
	expect_refusal(b, &c, "{\"op\":\"open\"}", "none of your");
	snprintf(request, sizeof(request), "{\"op\":\"open\",\"path\":\"%s\"}", linked);
	expect_refusal(b, &c, request, "none of your");
	assert_int_equal(fake.listings, 1); /* one scan serves all that, until there is news */
	expect_ok(b, &c, "{\"op\":\"record\"}");
	cJSON_Delete(ask(b, &c, "{\"op\":\"stop\"}"));
	expect_ok(b, &c, "{\"op\":\"records\"}");
	assert_int_equal(fake.listings, 2);
	close_client(b, &c);
	unlink(mine);
	unlink(linked);
}

/* ---- slow readers, other daemons ---------------------------------------------------------- */

/* Who asks and does not read is served no further, and gets all of it when he reads again. */
static void test_slow_reader(void **state)
{
	struct bed *b = *state;
	struct client c;
	size_t answers = 0;

	fake.status_padding = 300000;
	open_client(b, &c);
	for (int i = 0; i < 8; i++)
		tell(b, &c, "{\"op\":\"status\"}");
	assert_non_null(b->control->connections);
	assert_true(b->control->connections->n_queue <= CONNECTION_QUEUE);
	assert_non_null(b->control->connections->stall);
	for (int turn = 0; turn < 200 && answers < 8; turn++) {
		cJSON *answer = NULL;
		int got = wire_receive(&c.wire, &answer);
		assert_true(got >= 0);
		answers += got == 1;
		cJSON_Delete(answer);
		run_loop(b);
	}
	assert_int_equal(answers, 8);
	assert_null(b->control->connections->stall);
	close_client(b, &c);
}

static void test_status_too_long(void **state)
{
	struct bed *b = *state;
	struct client c;

	fake.status_padding = CONTROL_MAX_MESSAGE;
	open_client(b, &c);
	tell(b, &c, "{\"op\":\"status\"}");
	expect_end(&c);
	close_client(b, &c);
}

static void test_second_daemon(void **state)
{
	struct bed *b = *state;
	struct control *second = NULL;
	struct client c;
	char why[256] = "";

	assert_int_equal(
		control_new(&second, b->event, socket_path, NULL, &b->privileges, why, sizeof(why)),
		-EADDRINUSE);
	assert_non_null(strstr(why, "another profd listens on"));
	assert_null(second);
	open_client(b, &c);
	expect_ok(b, &c, "{\"op\":\"status\"}"); /* the first is unharmed */
	close_client(b, &c);
	control_close(b->control);
	assert_int_equal(try_connect(), -1);
}

static void test_stale_socket(void **state)
{
	struct bed *b = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct client c;
	char why[256] = "";

	control_free(b->control);
	b->control = NULL;
	memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd); /* as a killed daemon leaves it */
	assert_int_equal(control_new(&b->control, b->event, socket_path, NULL, &b->privileges, why,
				 sizeof(why)),
		0);
	open_client(b, &c);
	expect_ok(b, &c, "{\"op\":\"status\"}");
	close_client(b, &c);
}

static void test_not_a_socket(void **state)
{
	struct bed *b = *state;
	struct control *second = NULL;
	char path[64], why[256] = "";

	snprintf(path, sizeof(path), "%s/file", folder);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(
		control_new(&second, b->event, path, NULL, &b->privileges, why, sizeof(why)),
		-EEXIST);
	assert_int_equal(unlink(path), 0); /* it was left alone */
	assert_int_equal(control_new(&second, b->event, "/nonexistent/s", NULL, &b->privileges, why,
				 sizeof(why)),
		-ENOENT);
	assert_non_null(strstr(why, "folder does not exist"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_status),
		TEST(test_bad_messages),
		TEST(test_descriptors_of_clients_are_closed),
		TEST(test_record),
		TEST(test_discard),
		TEST(test_deliver),
		TEST(test_failed_recording),
		TEST(test_leaving),
		TEST(test_bad_requests),
		cmocka_unit_test(test_too_many_pids),
		TEST(test_ninth_session),
		TEST(test_rights_of_others),
		cmocka_unit_test(test_foreign_process),
		TEST(test_limits_of_others),
		TEST(test_beginnings_of_others),
		TEST(test_snapshots_of_others),
		TEST(test_snapshots_that_cannot_be),
		TEST(test_snapshots),
		TEST(test_connection_limit),
		TEST(test_window),
		TEST(test_records),
		TEST(test_slow_reader),
		TEST(test_status_too_long),
		TEST(test_second_daemon),
		TEST(test_stale_socket),
		TEST(test_not_a_socket),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
