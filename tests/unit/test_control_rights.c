// SPDX-License-Identifier: MIT
/* The control socket: who may do what, and how much of it. */
#include "control_fixture.h"

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
	expect_refusal(b, &other, "{\"op\":\"snapshot\",\"pid\":4194304}", "no such process");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rights_of_others),
		cmocka_unit_test(test_foreign_process),
		TEST(test_limits_of_others),
		TEST(test_beginnings_of_others),
		TEST(test_snapshots_of_others),
		TEST(test_snapshots_that_cannot_be),
		TEST(test_snapshots),
		TEST(test_connection_limit),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
