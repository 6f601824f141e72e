// SPDX-License-Identifier: MIT
/* test_opener_stuck.c - helpers that the server of a user's file system holds in the kernel. */
#include "fuse_fixture.h"

#include <sys/socket.h>

static void wait_until_free(pid_t pid)
{
	for (int i = 0; i < 1000 && helper_is_stuck(pid); i++)
		usleep(10 * 1000);
	assert_false(helper_is_stuck(pid));
}

/* One user costs one helper, whatever he does, and nobody else is refused anything. */
static void one_user_costs_one_opener(void **state)
{
	struct fuse_bed fuse = new_fuse_bed();
	struct bed bed = new_bed(NULL);
	const char *path = in_bed(&bed, "program");
	write_file(path, "code");
	struct opener_request mapped = record_of(path);
	mapped.pid = (uint32_t)fuse.dwellers[0];
	expect_error(&bed, &mapped, -ETIMEDOUT); /* not there: by path, then */
	assert_int_equal(opener_timeouts(bed.opener), 1);
	mapped.minor++;
	expect_error(&bed, &mapped, -ETIMEDOUT);
	for (int i = 0; i < FUSE_DWELLERS; i++) {
		struct opener_request jit = {.kind = OPENER_JIT, .pid = (uint32_t)fuse.dwellers[i]};
		expect_error(&bed, &jit, -ETIMEDOUT);
	}
	assert_int_equal(opener_timeouts(bed.opener), 1);
	/* The file system that he named is not the one that hangs. */
	struct opener_request ours = record_of(path);
	ours.pid = (uint32_t)getpid();
	expect_content(&bed, &ours, "code");
	ours.pid = UINT32_MAX;
	expect_content(&bed, &ours, "code");
	free_fuse_bed(&fuse);
	free_bed(&bed);
}

static void too_many_stuck_stop_their_own_kind(void **state)
{
	struct fuse_bed fuse = new_fuse_bed();
	struct helper h, helpers[HELPER_MAX_STUCK];
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/root/x", fuse.dwellers[0]);
	pid_t stuck[HELPER_MAX_STUCK];
	for (int i = 0; i < HELPER_MAX_STUCK; i++) {
		assert_false(helper_is_refused("hanging"));
		assert_int_equal(helper_start(&helpers[i], "hanging", path, SOCK_SEQPACKET), 0);
		stuck[i] = helpers[i].pid;
	}
	/* Whoever is killed ahead of its hanging is not stuck. */
	for (int i = 0; i < HELPER_MAX_STUCK; i++) {
		char byte;
		assert_int_equal(fcntl(helpers[i].socket, F_SETFL, 0), 0);
		assert_int_equal(helper_receive(helpers[i].socket, &byte, 1, NULL, NULL), 1);
	}
	usleep(300 * 1000);
	for (int i = 0; i < HELPER_MAX_STUCK; i++) {
		helper_stop(&helpers[i]);
		assert_true(helper_is_stuck(stuck[i]));
	}
	assert_true(helper_is_refused("hanging"));
	assert_int_equal(helper_start(&h, "hanging", path, SOCK_SEQPACKET), -EAGAIN);
	assert_false(helper_is_refused("idle"));
	assert_int_equal(helper_start(&h, "idle", NULL, SOCK_SEQPACKET), 0);
	helper_stop(&h);
	free_fuse_bed(&fuse);
	for (int i = 0; i < HELPER_MAX_STUCK; i++)
		wait_until_free(stuck[i]);
	assert_false(helper_is_refused("hanging"));
}

static int open_and_hang(const char *path)
{
	helper_send(HELPER_SOCKET, "x", 1, NULL, 0);
	close(open(path, O_RDONLY | O_CLOEXEC));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "--helper")) {
		if (!strcmp(argv[2], "hanging"))
			return open_and_hang(argv[3]);
		if (!strcmp(argv[2], "idle"))
			return pause();
		return opener_main(argc > 3 ? argv[3] : NULL);
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_user_costs_one_opener),
		cmocka_unit_test(too_many_stuck_stop_their_own_kind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
