/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/cgroups.h"

#define ID  "3f4e1b7a9c020d5e8f6a7b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f7081920"
#define ID2 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void expect_container(const char *path, const char *wanted)
{
	char container[CONTAINER_NAME_MAX];
	memset(container, 'x', sizeof(container));
	cgroup_container(path, container);
	assert_string_equal(container, wanted);
}

static void names_containers(void **state)
{
	expect_container("/system.slice/docker-" ID ".scope", "3f4e1b7a9c02");
	expect_container("/docker/" ID, "3f4e1b7a9c02");
	expect_container("/docker/" ID "/init.scope", "3f4e1b7a9c02");
	expect_container("/machine.slice/libpod-" ID ".scope/container", "3f4e1b7a9c02");
	expect_container(
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podab_cd.slice/"
		"cri-containerd-" ID ".scope",
		"3f4e1b7a9c02");
	expect_container("/kubepods/burstable/pod0a1b2c3d/" ID, "3f4e1b7a9c02");
	expect_container("/kubepods.slice/x/crio-" ID ".scope", "3f4e1b7a9c02");
	/* A pod in a node that is a container itself. */
	expect_container("/docker/" ID "/kubepods/pod1/" ID2, "001122334455");
	expect_container("/lxc.payload.web-1/system.slice/ssh.service", "web-1");
	expect_container("/machine.slice/machine-db\\x2d1.scope/payload", "db-1");
}

static void finds_no_container_where_none_is(void **state)
{
	expect_container("/", "");
	expect_container("", "");
	expect_container("/system.slice/ssh.service", "");
	expect_container("/user.slice/user-1000.slice/session-3.scope", "");
	expect_container("/docker/short", "");
	expect_container("/docker/" ID "0", ""); /* 65 digits */
	expect_container("/system.slice/docker-" ID "x", "");
	expect_container("/machine.slice/machine-.scope", "");
	expect_container("/lxc.payload.", "");
	expect_container("////", "");
}

static void long_names_are_cut(void **state)
{
	char path[600] = "/lxc.payload.", container[CONTAINER_NAME_MAX];
	memset(path + strlen(path), 'n', 500);
	cgroup_container(path, container);
	assert_int_equal(strlen(container), CONTAINER_NAME_MAX - 1);
	snprintf(path, sizeof(path), "/machine-%0400d.scope", 0);
	cgroup_container(path, container);
	assert_int_equal(strlen(container), CONTAINER_NAME_MAX - 1);
}

static void expect_path(const char *text, const char *wanted)
{
	char path[256];
	bool found = cgroup_parse(text, path, sizeof(path));
	assert_int_equal(found, wanted != NULL);
	if (wanted)
		assert_string_equal(path, wanted);
}

static void reads_proc_cgroup(void **state)
{
	expect_path("0::/system.slice/ssh.service\n", "/system.slice/ssh.service");
	/* A hybrid host: v1's memory controller, also mounted together with others. */
	expect_path("4:cpu,cpuacct:/other\n3:memory:/job/7\n1:name=systemd:/s\n0::/\n", "/job/7");
	expect_path("3:hugetlb,memory:/job\n0::/\n", "/job");
	expect_path("3:memory:/\n1:name=systemd:/system.slice/x.service\n0::/\n",
		"/system.slice/x.service");
	expect_path("3:memory:/\n1:name=systemd:/\n0::/\n", "/");
	expect_path("3:memory:/old\n0::/new\n", "/new");
	expect_path("2:memory:/with:colon:and blank\n", "/with:colon:and blank");
}

static void hostile_text_is_harmless(void **state)
{
	expect_path("", NULL);
	expect_path("\n\n\n", NULL);
	expect_path("0::", NULL);
	expect_path("0:", NULL);
	expect_path("0", NULL);
	expect_path("0::relative\n", NULL);
	expect_path("5:memoryx:/no\n", NULL);
	expect_path("::::/x\n", NULL);
	char text[1024] = "0::/";
	memset(text + strlen(text), 'a', 900);
	expect_path(text, NULL); /* does not fit */
}

static void knows_this_process(void **state)
{
	struct cgroups *c;
	assert_int_equal(cgroups_new(&c), 0);
	struct cgroup *mine = cgroups_find(c, 0, 0, (uint32_t)getpid());
	if (mine) {
		assert_int_equal(mine->path[0], '/');
		struct cgroup *again = cgroups_find(c, 0, 0, (uint32_t)getpid());
		assert_ptr_equal(again, mine); /* one string for all */
		cgroup_unref(again);
	}
	assert_null(cgroups_find(c, 0, 0, UINT32_MAX));
	/* An id that does not exist, of a process that does not exist. */
	assert_null(cgroups_find(c, ~0ULL, ~0ULL, UINT32_MAX));
	/* The caller's reference outlives the table. */
	cgroups_free(c);
	if (mine)
		assert_int_equal(mine->references, 1);
	cgroup_unref(mine);
}

static void finds_paths_by_id(void **state)
{
	char path[512], folder[600];
	struct stat st;
	FILE *f = fopen("/proc/self/cgroup", "r");
	char text[4096] = "";
	if (f) {
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		fclose(f);
	}
	/* Needs a unified hierarchy at its usual place with a path that is not the root's, and
	 * CAP_DAC_READ_SEARCH. */
	if (geteuid() != 0 || !cgroup_parse(text, path, sizeof(path)) || !strcmp(path, "/"))
		skip();
	snprintf(folder, sizeof(folder), "/sys/fs/cgroup%s", path);
	bool v1 = stat(folder, &st) < 0;
	if (v1)
		snprintf(folder, sizeof(folder), "/sys/fs/cgroup/memory%s", path);
	if (v1 && stat(folder, &st) < 0)
		skip();
	struct cgroups *c;
	assert_int_equal(cgroups_new(&c), 0);
	struct cgroup *found = cgroups_find(c, v1 ? 1 : st.st_ino, v1 ? st.st_ino : 0, UINT32_MAX);
	if (found)
		assert_string_equal(found->path, path);
	cgroup_unref(found);
	cgroups_free(c);
	if (!found)
		skip(); /* open_by_handle_at is refused here */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_containers),
		cmocka_unit_test(finds_no_container_where_none_is),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(reads_proc_cgroup),
		cmocka_unit_test(hostile_text_is_harmless),
		cmocka_unit_test(knows_this_process),
		cmocka_unit_test(finds_paths_by_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
