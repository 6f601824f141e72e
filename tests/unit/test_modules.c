/* SPDX-License-Identifier: MIT */
/*
 * test_modules.c - modules with a real opener: this program is its own helper.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/modules.h"
#include "collector/opener.h"

static sd_event *event;
static struct opener *opener;
static struct modules *modules;
static char path[64];

static void write_file(const char *content)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

static int setup(void **state)
{
	snprintf(path, sizeof(path), "/tmp/profd-module-XXXXXX");
	int fd = mkstemp(path);
	if (fd < 0 || sd_event_new(&event) < 0 || opener_new(&opener, event, NULL) < 0)
		return -1;
	close(fd);
	write_file("one");
	return modules_new(&modules, opener);
}

static int teardown(void **state)
{
	modules_free(modules);
	opener_free(opener);
	sd_event_unref(event);
	unlink(path);
	return 0;
}

/* A record of a mapping of the file, by a process that is gone. */
static struct module_mapping mapping_of_file(void)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return (struct module_mapping){
		.pid = UINT32_MAX,
		.start = 0x400000,
		.end = 0x401000,
		.major = major(st.st_dev),
		.minor = minor(st.st_dev),
		.inode = st.st_ino,
		.path = path,
	};
}

static void settled(void *userdata, struct module *m)
{
	++*(int *)userdata;
	assert_int_not_equal(m->state, MODULE_OPENING);
}

static void wait_for(struct module *m)
{
	int calls = 0;
	assert_int_equal(m->state, MODULE_OPENING);
	struct module_waiter waiter = {.settled = settled, .userdata = &calls};
	module_wait(m, &waiter);
	for (int i = 0; i < 50 && m->state == MODULE_OPENING; i++)
		assert_true(sd_event_run(event, 100 * 1000) >= 0);
	assert_int_not_equal(m->state, MODULE_OPENING);
	assert_int_equal(calls, 1);
}

static void expect_content(const struct module *m, const char *content)
{
	char text[64] = "";
	assert_int_equal(m->state, MODULE_OPEN);
	assert_true(pread(m->fd, text, sizeof(text) - 1, 0) >= 0);
	assert_string_equal(text, content);
}

/* Longer than modules.c trusts what it knew. */
static void let_time_pass(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 150 * 1000 * 1000}, NULL);
}

static void a_file_is_opened_once(void **state)
{
	struct module_mapping mapping = mapping_of_file();
	struct module *a = modules_map(modules, &mapping);
	struct module *b = modules_map(modules, &mapping);
	assert_ptr_equal(a, b);
	wait_for(a);
	expect_content(a, "one");
	assert_string_equal(a->path, path);
	assert_string_equal(a->real_path, path);
	assert_int_equal(a->size, 3);
	let_time_pass();
	/* Deleted, but the same file. The name is that of before. */
	char deleted[80];
	snprintf(deleted, sizeof(deleted), "%s (deleted)", path);
	mapping.path = deleted;
	struct module *c = modules_map(modules, &mapping);
	assert_ptr_equal(a, c);
	assert_int_equal(modules_stats(modules).modules, 1);
	assert_int_equal(modules_stats(modules).open, 1);
	module_unref(a);
	module_unref(b);
	module_unref(c);
}

static void a_file_that_was_rewritten_is_another_module(void **state)
{
	struct module_mapping mapping = mapping_of_file();
	struct module *a = modules_map(modules, &mapping);
	wait_for(a);
	let_time_pass();
	write_file("two, in place");
	struct module *b = modules_map(modules, &mapping);
	assert_ptr_not_equal(a, b);
	wait_for(b);
	expect_content(b, "two, in place");
	/* And one that took its path: another inode. */
	let_time_pass();
	unlink(path);
	write_file("three");
	mapping = mapping_of_file();
	struct module *c = modules_map(modules, &mapping);
	assert_ptr_not_equal(b, c);
	wait_for(c);
	expect_content(c, "three");
	expect_content(b, "two, in place");
	module_unref(a);
	module_unref(b);
	module_unref(c);
}

static void another_generation_is_another_file(void **state)
{
	struct module_mapping mapping = mapping_of_file();
	struct module *a = modules_map(modules, &mapping); /* a scan does not know it */
	wait_for(a);
	mapping.inode_generation = 1;
	struct module *b = modules_map(modules, &mapping);
	assert_ptr_equal(a, b);
	mapping.inode_generation = 2;
	struct module *c = modules_map(modules, &mapping);
	assert_ptr_not_equal(a, c);
	wait_for(c);
	module_unref(a);
	module_unref(b);
	module_unref(c);
}

static void failures_are_tried_again(void **state)
{
	struct module_mapping mapping = mapping_of_file(), gone = mapping;
	gone.path = "/nowhere/at all";
	struct module *a = modules_map(modules, &gone);
	wait_for(a);
	assert_int_equal(a->state, MODULE_FAILED);
	assert_int_equal(a->error, -ENOENT);
	struct module *b = modules_map(modules, &mapping);
	assert_int_equal(b->state, MODULE_FAILED); /* not at once */
	let_time_pass();
	struct module *c = modules_map(modules, &mapping);
	wait_for(c);
	expect_content(c, "one");
	assert_ptr_equal(a, c);
	module_unref(a);
	module_unref(b);
	module_unref(c);
}

static void deleted_files_are_let_go(void **state)
{
	struct module_mapping mapping = mapping_of_file();
	struct module *a = modules_map(modules, &mapping);
	wait_for(a);
	unlink(path);
	modules_sweep(modules);
	assert_int_equal(modules_stats(modules).open, 1); /* somebody holds it */
	module_unref(a);
	modules_sweep(modules);
	assert_int_equal(modules_stats(modules).modules, 0);
}

static void held_modules_outlive_the_table(void **state)
{
	int calls = 0;
	struct module_mapping mapping = mapping_of_file();
	struct module *a = modules_map(modules, &mapping);
	struct module *jit = modules_perf_map(modules, (uint32_t)getpid());
	assert_int_equal(jit->state, MODULE_OPENING);
	struct module_waiter on_file = {.settled = settled, .userdata = &calls}, on_jit = on_file;
	struct module_waiter second = on_file, gone = on_file;
	module_wait(a, &on_file);
	module_wait(a, &gone);
	module_wait(a, &second);
	module_wait(jit, &on_jit);
	module_wait_no_more(a, &gone);
	module_wait_no_more(jit, &gone);
	modules_free(modules);
	modules = NULL;
	assert_int_equal(calls, 3);
	assert_int_equal(a->error, -ECANCELED);
	assert_int_equal(jit->state, MODULE_FAILED);
	module_unref(a);
	module_unref(jit);
}

static void perf_maps_can_come_later(void **state)
{
	char map[64];
	snprintf(map, sizeof(map), "/tmp/perf-%d.map", (int)getpid());
	struct module *jit = modules_perf_map(modules, (uint32_t)getpid());
	wait_for(jit);
	assert_int_equal(jit->state, MODULE_FAILED);
	FILE *f = fopen(map, "w");
	assert_non_null(f);
	fputs("1000 10 f\n", f);
	fclose(f);
	modules_retry_perf_map(modules, jit);
	wait_for(jit);
	unlink(map);
	expect_content(jit, "1000 10 f\n");
	assert_int_equal(jit->error, 0);
	module_unref(jit);
}

static void anonymous_memory_is_told_from_files(void **state)
{
	static const char *const anonymous[] = {"//anon", "[heap]", "[stack]", "[anon:jit code]",
		"/dev/zero (deleted)", "/SYSV00000000 (deleted)", "/anon_hugepage (deleted)",
		"anon_inode:[io_uring]", ""};
	struct module_mapping mapping = {.start = 0x1000, .end = 0x2000, .inode = 5};
	for (size_t i = 0; i < sizeof(anonymous) / sizeof(anonymous[0]); i++) {
		mapping.path = anonymous[i];
		mapping.inode = anonymous[i][0] == '/' && anonymous[i][1] != '/' ? 5 : 0;
		struct module *m = modules_map(modules, &mapping);
		assert_true(module_is_jit(m));
		module_unref(m);
	}
	mapping.path = "[vsyscall]";
	struct module *m = modules_map(modules, &mapping);
	assert_int_equal(m->kind, MODULE_ANON);
	assert_false(module_is_jit(m));
	module_unref(m);
	assert_int_equal(modules_stats(modules).modules, 0);
	assert_int_equal(modules_kernel(modules)->kind, MODULE_KERNEL);
}

/* Each mapping here is of another file, as far as anybody can tell, and is held. */
static void rewritten_files_do_not_use_up_descriptors(void **state)
{
	struct module *held[40];
	size_t n = sizeof(held) / sizeof(*held), open_files = 0;
	struct rlimit before, few;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 60; /* modules_new raises it to few.rlim_max */
	few.rlim_max = 60;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid) {
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		return;
	}
	if (setrlimit(RLIMIT_NOFILE, &few) < 0)
		_exit(2);
	struct opener *own;
	struct modules *table;
	sd_event *loop;
	if (sd_event_new(&loop) < 0 || opener_new(&own, loop, NULL) < 0 || modules_new(&table, own))
		_exit(3);
	struct module_mapping mapping = mapping_of_file();
	for (size_t i = 0; i < n; i++) {
		mapping.inode_generation = i + 1;
		held[i] = modules_map(table, &mapping);
		for (int turn = 0; turn < 50 && held[i]->state == MODULE_OPENING; turn++)
			sd_event_run(loop, 100 * 1000);
		open_files += held[i]->state == MODULE_OPEN;
		if (held[i]->state == MODULE_FAILED && held[i]->error != -EMFILE)
			_exit(4);
	}
	/* Half of 60, less the kernel and the vDSO, here and in the table of setup(). */
	if (open_files < 20 || open_files > 30)
		_exit(5);
	for (size_t i = 0; i < n; i++)
		module_unref(held[i]);
	mapping.inode_generation = n + 1;
	struct module *m = modules_map(table, &mapping);
	for (int turn = 0; turn < 50 && m->state == MODULE_OPENING; turn++)
		sd_event_run(loop, 100 * 1000);
	_exit(m->state == MODULE_OPEN ? 0 : 6);
}

/* Below whose root debug files may lie. One that nobody has waited for has no root any more. */
static void a_process_that_has_ended_is_replaced(void **state)
{
	struct module_mapping mapping = mapping_of_file();
	struct module *m = modules_map(modules, &mapping);
	siginfo_t ended;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		for (;;)
			pause();
	mapping.pid = (uint32_t)pid;
	module_unref(modules_map(modules, &mapping));
	assert_int_equal(m->pid, pid);
	mapping.pid = (uint32_t)getpid();
	module_unref(modules_map(modules, &mapping));
	assert_int_equal(m->pid, pid); /* it is still there */
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
	module_unref(modules_map(modules, &mapping));
	assert_int_equal(m->pid, getpid());
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	module_unref(m);
}

/* Of a file system without a device of its own, whose numbers stat is asked for. */
static int make_file(const char *content)
{
	int fd = memfd_create("program", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	return fd;
}

/* What a record of it says. It is found by a path since it may be mapped no more. */
static struct module_mapping mapping_of(int fd, const void *at, char name[static 64])
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(major(st.st_dev), 0);
	snprintf(name, 64, "/proc/%d/fd/%d", (int)getpid(), fd);
	return (struct module_mapping){
		.pid = (uint32_t)getpid(),
		.start = (uintptr_t)at,
		.end = (uintptr_t)at + 4096,
		.major = major(st.st_dev),
		.minor = minor(st.st_dev),
		.inode = st.st_ino,
		.path = name,
	};
}

/* The record of a mapping is older than what is mapped there now. */
static void another_file_at_the_same_place_is_another_module(void **state)
{
	char names[2][64];
	int before = make_file("before"), now = make_file("now");
	void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, now, 0);
	assert_true(at != MAP_FAILED);
	struct module_mapping first = mapping_of(before, at, names[0]);
	struct module_mapping second = mapping_of(now, at, names[1]);
	struct module *b = modules_map(modules, &second);
	wait_for(b);
	expect_content(b, "now");
	struct module *a = modules_map(modules, &first);
	assert_ptr_not_equal(a, b);
	module_unref(a);
	module_unref(b);
	munmap(at, 4096);
	close(before);
	close(now);
}

/* Of an overlay the opener knows, as of btrfs, that stat may have another device than a mapping. */
static void mount_overlay(char folder[static 64])
{
	char data[256];

	snprintf(folder, 64, "/tmp/profd-overlay-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(data, sizeof(data), "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", folder,
		folder, folder);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("none", folder, "tmpfs", 0, NULL), 0);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"lower", "upper", "work"};
		char name[96];
		snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
		assert_int_equal(mkdir(name, 0755), 0);
	}
	assert_int_equal(mount("none", folder, "overlay", 0, data), 0);
}

/* The device of a mapping is not that of stat, and its process was gone when it was opened. */
static void a_file_with_two_keys_is_let_go(void **state)
{
	char folder[64], name[96], kept[sizeof(path)];
	mount_overlay(folder);
	snprintf(name, sizeof(name), "%s/program", folder);
	int fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "one", 3), 3);
	void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(at != MAP_FAILED);
	struct module_mapping mapping = mapping_of(fd, at, kept), gone = mapping;
	mapping.path = gone.path = name;
	gone.pid = UINT32_MAX;
	gone.minor++;
	struct module *a = modules_map(modules, &gone);
	wait_for(a);
	expect_content(a, "one");
	struct module *b = modules_map(modules, &mapping);
	wait_for(b);
	assert_ptr_equal(b->same, a);
	assert_int_equal(a->pid, getpid()); /* the one that there is */
	munmap(at, 4096);
	close(fd);
	module_unref(a);
	module_unref(b);
	unlink(name);
	modules_sweep(modules);
	assert_int_equal(modules_stats(modules).modules, 0);
	assert_int_equal(umount2(folder, MNT_DETACH), 0);
	assert_int_equal(umount2(folder, MNT_DETACH), 0);
	assert_int_equal(rmdir(folder), 0);
}

#define with_table(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "--helper"))
		return opener_main(argc > 3 ? argv[3] : NULL);
	const struct CMUnitTest tests[] = {
		with_table(a_file_is_opened_once),
		with_table(a_file_that_was_rewritten_is_another_module),
		with_table(another_generation_is_another_file),
		with_table(failures_are_tried_again),
		with_table(deleted_files_are_let_go),
		with_table(held_modules_outlive_the_table),
		with_table(perf_maps_can_come_later),
		with_table(anonymous_memory_is_told_from_files),
		with_table(rewritten_files_do_not_use_up_descriptors),
		with_table(a_process_that_has_ended_is_replaced),
		with_table(another_file_at_the_same_place_is_another_module),
		with_table(a_file_with_two_keys_is_let_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
