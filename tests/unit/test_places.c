// SPDX-License-Identifier: MIT
/* test_places.c - whose a process is, for what the opener hangs on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "opener/places.h"

#define USER	 4321
#define SUB_USER 4322

/* Called by a child: it ends with the first step that fails. */
static void must(int good)
{
	if (!good)
		_exit(1);
}

static void put(pid_t pid, const char *name, const char *text)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void become(uid_t uid)
{
	must(!setresgid(uid, uid, uid) && !setresuid(uid, uid, uid) && !prctl(PR_SET_DUMPABLE, 1));
}

static void as_user(void)
{
	become(USER);
}

/* A program that runs as root for him. */
static void as_his_root(void)
{
	must(!setresuid(USER, 0, 0));
}

static void in_mount_namespace(void)
{
	must(!unshare(CLONE_NEWNS));
}

static void in_roots_user_namespace(void)
{
	must(!unshare(CLONE_NEWUSER));
}

/* As newuidmap does it: with more users than himself. Then one of these makes another. */
static void in_nested_namespaces(void)
{
	char byte;
	int ready[2], mapped[2];
	pid_t root = getpid(), helper;

	must(!pipe(ready) && !pipe(mapped));
	helper = fork();
	if (!helper) {
		must(read(ready[0], &byte, 1) == 1);
		put(root, "uid_map", "0 4321 2");
		put(root, "gid_map", "0 4321 2");
		must(write(mapped[1], "", 1) == 1);
		_exit(0);
	}
	become(USER);
	must(!unshare(CLONE_NEWUSER));
	must(write(ready[1], "", 1) == 1 && read(mapped[0], &byte, 1) == 1);
	become(SUB_USER - USER);
	must(!unshare(CLONE_NEWUSER));
}

/* That of a process that is prepared so, or 0 where that is not possible. */
static uint64_t place_after(void (*prepare)(void))
{
	int pair[2];
	char byte;

	assert_int_equal(pipe(pair), 0);
	pid_t pid = fork();
	if (!pid) {
		close(pair[0]);
		prepare();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		must(write(pair[1], "", 1) == 1);
		_exit(pause());
	}
	close(pair[1]);
	uint64_t place = read(pair[0], &byte, 1) == 1 ? place_of_process((uint32_t)pid) : 0;
	close(pair[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return place;
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void a_user_is_one_whatever_he_makes(void **state)
{
	need_root();
	uint64_t user = place_after(as_user), nested = place_after(in_nested_namespaces);
	assert_int_not_equal(user, 0);
	assert_false(place_is_roots(user));
	assert_int_equal(place_after(as_his_root), user);
	if (!nested)
		skip();
	assert_int_equal(nested, user);
}

static void root_is_told_by_mount_namespace(void **state)
{
	need_root();
	uint64_t ours = place_of_process((uint32_t)getpid());
	uint64_t other = place_after(in_mount_namespace);
	assert_true(place_is_roots(ours));
	assert_true(place_is_roots(other));
	assert_int_not_equal(ours, other);
}

static void user_namespaces_of_root_are_told_apart(void **state)
{
	need_root();
	uint64_t one = place_after(in_roots_user_namespace);
	if (!one)
		skip();
	assert_false(place_is_roots(one));
	assert_int_not_equal(one, place_of_process((uint32_t)getpid()));
}

static void what_has_ended_is_nobodys(void **state)
{
	assert_int_equal(place_of_process(UINT32_MAX), PLACE_GONE);
}

static void devices_are_told_apart(void **state)
{
	assert_int_equal(place_of_device(8, 1), place_of_device(8, 1));
	assert_int_not_equal(place_of_device(8, 1), place_of_device(8, 2));
	assert_int_not_equal(place_of_device(0, 1), place_of_device(1, 0));
	assert_false(place_is_roots(place_of_device(UINT32_MAX, UINT32_MAX)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_is_one_whatever_he_makes),
		cmocka_unit_test(root_is_told_by_mount_namespace),
		cmocka_unit_test(user_namespaces_of_root_are_told_apart),
		cmocka_unit_test(what_has_ended_is_nobodys),
		cmocka_unit_test(devices_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
