// SPDX-License-Identifier: MIT
/*
 * test_opener_trouble.c - openers that hang, die or lie, and requests that are too many or given
 * up: started with `--helper opener ARG` this program runs the real one, or what ARG asks for.
 */
#include "opener_fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "opener/open_kinds.h"
#include "opener/places.h"

/* A process of another user than ours. */
static pid_t new_nobody(void)
{
	if (geteuid() != 0)
		skip();
	pid_t pid = fork();
	if (!pid)
		_exit(setgid(65534) || setuid(65534) || prctl(PR_SET_PDEATHSIG, SIGKILL) ||
			pause());
	char path[64];
	struct stat st = {0};
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	for (int i = 0; i < 1000 && st.st_uid != 65534; i++) {
		usleep(1000);
		assert_int_equal(stat(path, &st), 0);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* One that hangs costs itself, and its user's others for a while; the rest is served: also what is
 * on the device that the user named. */
static void a_hang_costs_one_user(void **state)
{
	struct bed bed = new_bed("test:hang");
	pid_t nobody = new_nobody();
	struct result hung = {.fd = -1}, good = {.fd = -1};
	struct opener_request request = record_of("/proc/self/exe"), hang = request;
	request.pid = (uint32_t)getpid();
	hang.path = "/hang";
	hang.pid = (uint32_t)nobody;
	assert_int_equal(opener_submit(bed.opener, &hang, done, &hung), 0);
	assert_int_equal(opener_submit(bed.opener, &request, done, &good), 0);
	uint64_t before, after;
	sd_event_now(bed.event, CLOCK_MONOTONIC, &before);
	wait_for(&bed, &good);
	sd_event_now(bed.event, CLOCK_MONOTONIC, &after);
	assert_int_equal(hung.calls, 1);
	assert_int_equal(hung.error, -ETIMEDOUT);
	assert_int_equal(good.error, -ENODATA);
	assert_true(after - before >= OPENER_TIMEOUT_US);
	assert_true(after - before < 2 * OPENER_TIMEOUT_US);
	assert_int_equal(opener_timeouts(bed.opener), 1);
	/* Not asked again: the answer is at once, and no further time-out. */
	hang.minor++;
	expect_error(&bed, &hang, -ETIMEDOUT);
	hang.kind = OPENER_DEBUG;
	expect_error(&bed, &hang, -ETIMEDOUT);
	assert_int_equal(opener_timeouts(bed.opener), 1);
	end(nobody);
	free_bed(&bed);
}

/* Once the helper has said that it is at the device, nobody's files of that are opened. */
static void a_device_that_hangs_is_left_alone(void **state)
{
	struct bed bed = new_bed("test:hang");
	pid_t nobody = new_nobody();
	struct opener_request hang = record_of("/proc/self/exe"), other = hang;
	hang.path = "/hang-device";
	hang.pid = (uint32_t)nobody;
	expect_error(&bed, &hang, -ETIMEDOUT);
	other.pid = (uint32_t)getpid();
	expect_error(&bed, &other, -ETIMEDOUT);
	other.minor++;
	expect_error(&bed, &other, -ENODATA);
	/* Who has one such device may have many. */
	hang.minor++;
	expect_error(&bed, &hang, -ETIMEDOUT);
	assert_int_equal(opener_timeouts(bed.opener), 1);
	end(nobody);
	free_bed(&bed);
}

static void debug_folders_that_hang_stop_debug_files_only(void **state)
{
	struct bed bed = new_bed("test:hang");
	pid_t nobody = new_nobody();
	struct opener_request hang = {
		.kind = OPENER_DEBUG, .pid = (uint32_t)nobody, .path = "/hang-folders"};
	struct opener_request mapped = record_of("/proc/self/exe");
	expect_error(&bed, &hang, -ETIMEDOUT);
	hang.pid = (uint32_t)getpid();
	expect_error(&bed, &hang, -ETIMEDOUT);
	assert_int_equal(opener_timeouts(bed.opener), 1);
	mapped.pid = (uint32_t)nobody;
	expect_error(&bed, &mapped, -ENODATA);
	end(nobody);
	free_bed(&bed);
}

static void a_crash_costs_one_request(void **state)
{
	struct bed bed = new_bed("test:crash");
	struct result r[3] = {{.fd = -1}, {.fd = -1}, {.fd = -1}};
	struct opener_request good = record_of("/proc/self/exe"), bad = good;
	bad.path = "/crash";
	assert_int_equal(opener_submit(bed.opener, &good, done, &r[0]), 0);
	assert_int_equal(opener_submit(bed.opener, &bad, done, &r[1]), 0);
	assert_int_equal(opener_submit(bed.opener, &good, done, &r[2]), 0);
	for (int i = 0; i < 3; i++)
		wait_for(&bed, &r[i]);
	assert_int_equal(r[0].error, -ENODATA);
	assert_int_equal(r[1].error, -EPIPE);
	assert_int_equal(r[2].error, -ENODATA);
	free_bed(&bed);
}

static void false_answers_are_refused(void **state)
{
	static const char *const lies[] = {
		"/lie-id", "/lie-size", "/lie-string", "/lie-no-fd", "/lie-short", "/lie-error"};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct bed bed = new_bed("test:lie");
		struct opener_request request = record_of("/proc/self/exe");
		request.path = lies[i];
		expect_error(&bed, &request, i == 4 ? -EPIPE : -EBADMSG);
		free_bed(&bed);
	}
}

static void cancelled_requests_stay_silent(void **state)
{
	struct bed bed = new_bed(NULL);
	struct result a = {.fd = -1}, b = {.fd = -1}, c = {.fd = -1};
	const char *path = in_bed(&bed, "program");
	write_file(path, "code");
	struct opener_request request = record_of(path);
	assert_int_equal(opener_submit(bed.opener, &request, done, &a), 0);
	assert_int_equal(opener_submit(bed.opener, &request, done, &b), 0);
	opener_cancel(bed.opener, &a);
	wait_for(&bed, &b);
	close(b.fd);
	assert_int_equal(a.calls, 0);
	assert_int_equal(opener_submit(bed.opener, &request, done, &c), 0);
	opener_free(bed.opener);
	bed.opener = NULL;
	assert_int_equal(c.calls, 1);
	assert_int_equal(c.error, -ECANCELED);
	free_bed(&bed);
}

static void the_queue_has_an_end(void **state)
{
	struct bed bed = new_bed(NULL);
	struct result r = {.fd = -1};
	struct opener_request request = {
		.kind = OPENER_MAPPING, .pid = UINT32_MAX, .inode = 1, .path = "/no such file"};
	for (int i = 0; i < OPENER_MAX_QUEUED; i++)
		assert_int_equal(opener_submit(bed.opener, &request, done, &r), 0);
	assert_int_equal(opener_submit(bed.opener, &request, done, &r), -ENOBUFS);
	for (int i = 0; i < 10000 && r.calls < OPENER_MAX_QUEUED; i++)
		sd_event_run(bed.event, 100 * 1000);
	assert_int_equal(r.calls, OPENER_MAX_QUEUED);
	char *path = malloc(PATH_MAX + 2);
	assert_non_null(path);
	memset(path, '/', PATH_MAX + 1);
	path[PATH_MAX + 1] = '\0';
	request.path = path;
	assert_int_equal(opener_submit(bed.opener, &request, done, &r), -ENAMETOOLONG);
	free(path);
	free_bed(&bed);
}

/* What the real opener says ahead of its answer, which closes the list; its error. */
static int32_t places_told(const struct opener_question *q, const char *path, uint64_t told[8])
{
	union {
		struct opener_question q;
		char bytes[OPENER_MAX_QUESTION];
	} question = {.q = *q};
	union {
		struct opener_answer a;
		char bytes[OPENER_MAX_ANSWER];
	} answer;
	struct helper h;
	size_t n = 0, size = strlen(path) + 1;
	question.q.path_size = (uint32_t)size;
	memcpy(&question.q + 1, path, size);
	assert_int_equal(helper_start(&h, "opener", NULL, SOCK_SEQPACKET), 0);
	assert_int_equal(fcntl(h.socket, F_SETFL, 0), 0);
	assert_true(helper_send(h.socket, &question, sizeof(*q) + size, NULL, 0) > 0);
	do {
		int fd = -1;
		size_t n_fds = 1;
		assert_true(helper_receive(h.socket, &answer, sizeof(answer), &fd, &n_fds) > 0);
		close(fd);
		assert_true(n < 8);
		told[n++] = answer.a.error == -EINPROGRESS ? answer.a.place : 0;
	} while (answer.a.error == -EINPROGRESS);
	helper_stop(&h);
	return answer.a.error;
}

static void the_opener_says_where_it_looks(void **state)
{
	if (geteuid() != 0) /* map_files needs CAP_CHECKPOINT_RESTORE */
		skip();
	uint64_t told[8];
	struct bed bed = new_bed(NULL);
	const char *path = in_bed(&bed, "program"), *other = in_bed(&bed, "other");
	write_file(path, "code");
	write_file(other, "data");
	struct opener_request r = record_of(path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	close(fd);
	struct opener_question q = {
		.id = 1,
		.start = (uintptr_t)page,
		.end = (uintptr_t)page + 4096,
		.inode = r.inode,
		.place = 77,
		.kind = OPENER_MAPPING,
		.pid = (uint32_t)getpid(),
		.major = r.major,
		.minor = r.minor,
	};
	assert_int_equal(places_told(&q, path, told), 0);
	assert_int_equal(told[0], place_of_device(r.major, r.minor));
	assert_int_equal(told[1], 0);
	/* What is mapped there now is another file: the device is not what it looks at. */
	q.inode = record_of(other).inode;
	assert_int_equal(places_told(&q, other, told), 0);
	assert_int_equal(told[0], 77);
	assert_int_equal(told[1], 0);
	munmap(page, 4096);
	assert_int_equal(places_told(&q, other, told), 0);
	assert_int_equal(told[0], 77);
	q.kind = OPENER_DEBUG;
	assert_int_equal(places_told(&q, "0123456789abcdef0123", told), -ENOENT);
	assert_int_equal(told[0], PLACE_FOLDERS);
	assert_int_equal(told[1], 0);
	free_bed(&bed);
}

/* Nothing but 0-3 is open in a helper, whatever the daemon has open. */
static void helpers_are_bare(void **state)
{
	struct helper h;
	int extra = open("/dev/null", O_RDONLY); /* no O_CLOEXEC on purpose */
	assert_true(extra >= 0);
	assert_int_equal(helper_start(&h, "descriptors", NULL, SOCK_SEQPACKET), 0);
	int flags = fcntl(h.socket, F_GETFL);
	assert_true(flags & O_NONBLOCK);
	assert_int_equal(fcntl(h.socket, F_SETFL, flags & ~O_NONBLOCK), 0);
	char text[256] = "";
	size_t room = 0;
	assert_true(helper_receive(h.socket, text, sizeof(text) - 1, NULL, &room) > 0);
	assert_string_equal(text, "0 1 2 3");
	close(extra);
	assert_int_equal(helper_stop(&h) & 0xff00, 0);
	assert_int_equal(h.pid, -1);
	assert_int_equal(helper_stop(&h), 0);
}

static void descriptors_that_do_not_fit_are_closed(void **state)
{
	int pair[2], fds[2], room[1], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char byte = 'x';
	fds[0] = fds[1] = null;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	int lowest = dup(null);
	close(lowest);
	assert_int_equal(helper_send(pair[0], &byte, 1, fds, 2), 1);
	size_t n = 1;
	assert_int_equal(helper_receive(pair[1], &byte, 1, room, &n), -EMSGSIZE);
	assert_int_equal(n, 0);
	int again = dup(null);
	assert_int_equal(again, lowest);
	close(again);
	close(null);
	close(pair[0]);
	close(pair[1]);
}

/* ---- helpers that do not do what they should ----------------------------------------------- */

static void lie(const char *path, uint64_t id)
{
	union {
		struct opener_answer a;
		char bytes[OPENER_MAX_ANSWER];
	} m = {.a = {.id = id}};
	size_t size = sizeof(m.a);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	size_t n_fds = 1;
	if (!strcmp(path, "/lie-id")) {
		m.a.id++;
	} else if (!strcmp(path, "/lie-size")) {
		m.a.path_size = 100;
	} else if (!strcmp(path, "/lie-string")) {
		m.a.path_size = 8;
		memset(&m.a + 1, 'x', 8);
		size += 8;
	} else if (!strcmp(path, "/lie-no-fd")) {
		n_fds = 0;
	} else if (!strcmp(path, "/lie-short")) {
		size = 0;
	} else {
		m.a.error = -ENOENT;
	}
	helper_send(HELPER_SOCKET, &m, size, &fd, n_fds);
	pause();
}

static int misbehave(void)
{
	union {
		struct opener_question q;
		char bytes[OPENER_MAX_QUESTION];
	} m;
	while (helper_receive(HELPER_SOCKET, &m, sizeof(m), NULL, NULL) > 0) {
		const char *path = m.bytes + sizeof(m.q);
		if (!strcmp(path, "/hang-device"))
			opener_tell_place(&m.q, place_of_device(m.q.major, m.q.minor));
		if (!strcmp(path, "/hang-folders"))
			opener_tell_place(&m.q, PLACE_FOLDERS);
		if (!strncmp(path, "/hang", 5))
			pause();
		if (!strcmp(path, "/crash"))
			_exit(9);
		if (!strncmp(path, "/lie", 4))
			lie(path, m.q.id);
		struct opener_answer a = {.id = m.q.id, .error = -ENODATA};
		helper_send(HELPER_SOCKET, &a, sizeof(a), NULL, 0);
	}
	return 0;
}

static int list_descriptors(void)
{
	char text[256];
	size_t n = 0;
	for (int fd = 0; fd < 64; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d", n ? " " : "", fd);
	}
	helper_send(HELPER_SOCKET, text, n, NULL, 0);
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "--helper")) {
		if (!strcmp(argv[2], "descriptors"))
			return list_descriptors();
		if (argc > 3 && !strncmp(argv[3], "test:", 5))
			return misbehave();
		return opener_main(argc > 3 ? argv[3] : NULL);
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(helpers_are_bare),
		cmocka_unit_test(descriptors_that_do_not_fit_are_closed),
		cmocka_unit_test(a_hang_costs_one_user),
		cmocka_unit_test(a_device_that_hangs_is_left_alone),
		cmocka_unit_test(debug_folders_that_hang_stop_debug_files_only),
		cmocka_unit_test(the_opener_says_where_it_looks),
		cmocka_unit_test(a_crash_costs_one_request),
		cmocka_unit_test(false_answers_are_refused),
		cmocka_unit_test(cancelled_requests_stay_silent),
		cmocka_unit_test(the_queue_has_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
