// SPDX-License-Identifier: MIT
/* The control socket, over real sockets: status, recordings, windows, and other daemons. */
#include "control_fixture.h"

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
