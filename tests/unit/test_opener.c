// SPDX-License-Identifier: MIT
/* test_opener.c - which files the opener opens, and which it does not. */
#include "opener_fixture.h"

#include <sys/mman.h>

#include "helper/protocol.h"
#include "symbols/debug_name.h"

static void opens_the_recorded_file(void **state)
{
	struct bed bed = new_bed(NULL);
	const char *path = in_bed(&bed, "program");
	write_file(path, "code");
	struct opener_request request = record_of(path);
	expect_content(&bed, &request, "code");
	/* The process lives, but this is not a mapping of it. */
	request.pid = (uint32_t)getpid();
	struct result r = ask(&bed, &request);
	assert_int_equal(r.error, 0);
	assert_string_equal(r.path, path);
	close(r.fd);
	free_bed(&bed);
}

static void refuses_another_inode(void **state)
{
	struct bed bed = new_bed(NULL);
	const char *path = in_bed(&bed, "program");
	write_file(path, "code");
	struct opener_request request = record_of(path);
	request.inode++;
	expect_error(&bed, &request, -ESTALE);
	request = record_of(path);
	request.minor++;
	expect_error(&bed, &request, -ESTALE);
	request = record_of(path);
	unlink(path);
	expect_error(&bed, &request, -ENOENT);
	free_bed(&bed);
}

static void does_not_touch_what_is_no_file(void **state)
{
	struct bed bed = new_bed(NULL);
	const char *fifo = in_bed(&bed, "fifo"), *link = in_bed(&bed, "null");
	assert_int_equal(mkfifo(fifo, 0666), 0);
	struct opener_request request = record_of(fifo);
	expect_error(&bed, &request, -EINVAL);
	request = record_of("/dev/null");
	expect_error(&bed, &request, -EINVAL);
	assert_int_equal(symlink("/dev/null", link), 0);
	request.path = link;
	expect_error(&bed, &request, -EINVAL);
	request = record_of(bed.folder);
	expect_error(&bed, &request, -EINVAL);
	request.path = "relative";
	expect_error(&bed, &request, -ENOENT);
	/* Not even by a magic link. */
	request.path = "/proc/self/exe";
	expect_error(&bed, &request, -ELOOP);
	free_bed(&bed);
}

/* Maps a page of the file; the address range goes into the request. */
static void *map_page(int fd, struct opener_request *request)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	request->pid = (uint32_t)getpid();
	request->start = (uintptr_t)page;
	request->end = request->start + 4096;
	return page;
}

/* map_files needs CAP_CHECKPOINT_RESTORE. */
static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void opens_deleted_files(void **state)
{
	need_root();
	struct bed bed = new_bed(NULL);
	const char *path = in_bed(&bed, "deleted");
	write_file(path, "deleted code");
	struct opener_request request = record_of(path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *page = map_page(fd, &request);
	close(fd);
	unlink(path);
	expect_content(&bed, &request, "deleted code");
	struct result r = ask(&bed, &request);
	assert_string_equal(r.path, ""); /* it has none any more */
	close(r.fd);
	/* Another file took its name, and the address range is somebody else's by now. */
	write_file(path, "impostor");
	munmap(page, 4096);
	struct result after = ask(&bed, &request);
	if (after.fd >= 0)
		close(after.fd);
	assert_int_equal(after.error, -ESTALE);
	free_bed(&bed);
}

static void refuses_a_range_that_is_another_file_now(void **state)
{
	need_root();
	struct bed bed = new_bed(NULL);
	const char *path = in_bed(&bed, "one"), *other = in_bed(&bed, "other");
	write_file(path, "one");
	write_file(other, "other");
	struct opener_request request = record_of(path);
	int fd = open(other, O_RDONLY | O_CLOEXEC);
	void *page = map_page(fd, &request);
	close(fd);
	expect_content(&bed, &request, "one"); /* by its path, then */
	unlink(path);
	struct result r = ask(&bed, &request);
	assert_int_equal(r.fd, -1);
	assert_int_equal(r.error, -ESTALE);
	munmap(page, 4096);
	free_bed(&bed);
}

static void tells_jit_memory_from_programs(void **state)
{
	need_root();
	struct bed bed = new_bed(NULL);
	static const char *const contents[] = {"\177ELF and so on", "no program"};
	for (int i = 0; i < 2; i++) {
		struct stat st;
		int fd = memfd_create("code", MFD_CLOEXEC);
		assert_true(fd >= 0);
		assert_true(write(fd, contents[i], strlen(contents[i])) > 0);
		assert_int_equal(fstat(fd, &st), 0);
		struct opener_request request = {
			.kind = OPENER_MAPPING,
			.major = major(st.st_dev),
			.minor = minor(st.st_dev),
			.inode = st.st_ino,
			.path = "/memfd:code (deleted)",
		};
		void *page = map_page(fd, &request);
		close(fd);
		if (i == 0)
			expect_content(&bed, &request, contents[i]);
		else
			expect_error(&bed, &request, -ENOEXEC);
		munmap(page, 4096);
	}
	free_bed(&bed);
}

/* A child in a root folder of its own, until it is killed. */
static pid_t start_as(const char *root, uid_t uid)
{
	int pipefd[2];
	char byte;
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (chroot(root) < 0 || chdir("/") < 0 || setresuid(uid, uid, uid) < 0 ||
			write(pipefd[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(pipefd[1]);
	assert_int_equal(read(pipefd[0], &byte, 1), 1);
	close(pipefd[0]);
	return pid;
}

static pid_t start_in_root(const char *root)
{
	return start_as(root, 0);
}

static void stop_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void links_cannot_leave_the_root(void **state)
{
	need_root();
	struct bed bed = new_bed(NULL);
	const char *secret = in_bed(&bed, "secret"), *root = in_bed(&bed, "root");
	write_file(secret, "secret");
	assert_int_equal(mkdir(root, 0755), 0);
	write_file(in_bed(&bed, "root/own"), "own");
	assert_int_equal(symlink("../secret", in_bed(&bed, "root/up")), 0);
	assert_int_equal(symlink(secret, in_bed(&bed, "root/absolute")), 0);
	struct opener_request request = record_of(secret),
			      own = record_of(in_bed(&bed, "root/own"));
	pid_t pid = start_in_root(in_bed(&bed, "root"));
	request.pid = own.pid = (uint32_t)pid;
	own.path = "/own";
	expect_content(&bed, &own, "own");
	request.path = "/up";
	expect_error(&bed, &request, -ENOENT);
	request.path = "/absolute";
	expect_error(&bed, &request, -ENOENT);
	request.path = "/../secret";
	expect_error(&bed, &request, -ENOENT);
	stop_child(pid);
	/* The root is remembered for those that come after it. */
	expect_content(&bed, &own, "own");
	free_bed(&bed);
}

static void perf_maps_are_checked(void **state)
{
	need_root();
	struct bed bed = new_bed(NULL);
	char name[64];
	assert_int_equal(mkdir(in_bed(&bed, "tmp"), 0777), 0);
	pid_t pid = start_in_root(bed.folder);
	struct opener_request request = {.kind = OPENER_JIT, .pid = (uint32_t)pid};
	expect_error(&bed, &request, -ENOENT);

	snprintf(name, sizeof(name), "tmp/perf-%d.map", (int)pid);
	write_file(in_bed(&bed, name), "1000 10 f\n");
	expect_content(&bed, &request, "1000 10 f\n");
	/* Not the user's own. */
	assert_int_equal(chown(in_bed(&bed, name), 65534, 65534), 0);
	expect_error(&bed, &request, -EPERM);
	assert_int_equal(chown(in_bed(&bed, name), 0, 0), 0);
	/* A second name for somebody's file. */
	assert_int_equal(link(in_bed(&bed, name), in_bed(&bed, "tmp/second")), 0);
	expect_error(&bed, &request, -EPERM);
	assert_int_equal(unlink(in_bed(&bed, name)), 0);
	assert_int_equal(symlink("second", in_bed(&bed, name)), 0);
	expect_error(&bed, &request, -EINVAL);
	stop_child(pid);
	expect_error(&bed, &request, -ENOENT);
	free_bed(&bed);
}

/* In a mount namespace of his own a user can mount any file of root in its place. */
static void perf_maps_of_root_are_for_all_to_read(void **state)
{
	need_root();
	struct bed bed = new_bed(NULL);
	char name[64];
	assert_int_equal(chmod(bed.folder, 0755), 0);
	assert_int_equal(mkdir(in_bed(&bed, "tmp"), 0777), 0);
	pid_t pid = start_as(bed.folder, 65534);
	struct opener_request request = {.kind = OPENER_JIT, .pid = (uint32_t)pid};
	snprintf(name, sizeof(name), "tmp/perf-%d.map", (int)pid);
	write_file(in_bed(&bed, name), "1000 10 f\n");
	assert_int_equal(chmod(in_bed(&bed, name), 0600), 0);
	expect_error(&bed, &request, -EPERM);
	assert_int_equal(chmod(in_bed(&bed, name), 0644), 0);
	expect_content(&bed, &request, "1000 10 f\n");
	assert_int_equal(chmod(in_bed(&bed, name), 0600), 0);
	assert_int_equal(chown(in_bed(&bed, name), 65534, 65534), 0);
	expect_content(&bed, &request, "1000 10 f\n");
	stop_child(pid);
	free_bed(&bed);
}

static void debug_files_come_from_their_folders(void **state)
{
	struct bed bed = new_bed(NULL);
	static const char id[] = "00deadbeef00112233445566";
	assert_int_equal(mkdir(in_bed(&bed, ".build-id"), 0755), 0);
	assert_int_equal(mkdir(in_bed(&bed, ".build-id/00"), 0755), 0);
	write_file(in_bed(&bed, ".build-id/00/deadbeef00112233445566.debug"), "by id");
	assert_int_equal(mkdir(in_bed(&bed, "opt"), 0755), 0);
	write_file(in_bed(&bed, "opt/tool.debug"), "by folder");
	assert_int_equal(symlink("/etc/passwd", in_bed(&bed, "opt/link.debug")), 0);
	struct opener_request request = {.kind = OPENER_DEBUG, .path = id};
	expect_content(&bed, &request, "by id");
	request.path = "00deadbeef00112233445567";
	expect_error(&bed, &request, -ENOENT);
	request = (struct opener_request){
		.kind = OPENER_DEBUG, .path = "tool.debug", .near = "/opt"};
	expect_content(&bed, &request, "by folder");
	/* Out of the folder: -ENOENT, since the link's root is the folder. */
	request.path = "link.debug";
	expect_error(&bed, &request, -ENOENT);
	request.path = "../opt/tool.debug";
	expect_error(&bed, &request, -EINVAL);
	request.path = "..";
	expect_error(&bed, &request, -EINVAL);
	request.path = "tool.debug";
	request.near = "/usr/../opt";
	expect_error(&bed, &request, -EINVAL);
	request.near = "opt";
	expect_error(&bed, &request, -EINVAL);
	free_bed(&bed);
}

static void make_folders(struct bed *bed, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(mkdir(in_bed(bed, names[i]), 0755), 0);
}

/* Of a container's image, whose files only those that all may read count. */
static void debug_files_of_a_target_are_its_own(void **state)
{
	static const char *const folders[] = {"usr", "usr/lib", "usr/lib/debug",
		"usr/lib/debug/.build-id", "usr/lib/debug/.build-id/00", "usr/lib/debug/opt"};
	static const char by_id[] = "usr/lib/debug/.build-id/00/deadbeef0011.debug";

	need_root();
	struct bed bed = new_bed(NULL);
	make_folders(&bed, folders, sizeof(folders) / sizeof(*folders));
	write_file(in_bed(&bed, by_id), "by id");
	write_file(in_bed(&bed, "usr/lib/debug/opt/tool.debug"), "by folder");
	pid_t pid = start_in_root(bed.folder);
	struct opener_request request = {.kind = OPENER_DEBUG,
		.pid = (uint32_t)pid,
		.path = "00deadbeef0011",
		.near = "/opt"};
	expect_content(&bed, &request, "by id");
	request.path = "tool.debug";
	expect_content(&bed, &request, "by folder");
	request.path = "00deadbeef0011";
	assert_int_equal(chmod(in_bed(&bed, by_id), 0600), 0);
	expect_error(&bed, &request, -ENOENT);
	assert_int_equal(unlink(in_bed(&bed, by_id)), 0);
	assert_int_equal(symlink("../../opt/tool.debug", in_bed(&bed, by_id)), 0);
	expect_error(&bed, &request, -ENOENT);
	/* Others' could be below a root that they made for it. */
	assert_int_equal(unlink(in_bed(&bed, by_id)), 0);
	write_file(in_bed(&bed, by_id), "by id");
	assert_int_equal(chown(in_bed(&bed, by_id), 65534, 65534), 0);
	expect_error(&bed, &request, -ENOENT);
	request.owner = 65534;
	expect_content(&bed, &request, "by id");
	assert_int_equal(chown(in_bed(&bed, by_id), 0, 0), 0);
	expect_content(&bed, &request, "by id");
	/* Who asks for a file that no process has mapped has no other root than ours. */
	request.path = "tool.debug";
	request.pid = 0;
	expect_error(&bed, &request, -ENOENT);
	stop_child(pid);
	free_bed(&bed);
}

static void beside_a_file_only_public_ones_are_opened(void **state)
{
	struct bed bed = new_bed("");
	const char *file = in_bed(&bed, "tool.debug");
	write_file(file, "beside");
	struct opener_request request = {
		.kind = OPENER_DEBUG, .path = "tool.debug", .near = bed.folder};
	expect_content(&bed, &request, "beside");
	request.owner = getuid() + 1;
	assert_int_equal(chown(file, 65534, 65534), geteuid() ? -1 : 0);
	expect_error(&bed, &request, -ENOENT);
	request.owner = geteuid() ? getuid() : 65534;
	expect_content(&bed, &request, "beside");
	assert_int_equal(chmod(file, 0600), 0);
	expect_error(&bed, &request, -ENOENT);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkdir(in_bed(&bed, ".debug"), 0755), 0);
	write_file(in_bed(&bed, ".debug/tool.debug"), "below");
	expect_content(&bed, &request, "below");
	assert_int_equal(symlink("/etc/passwd", file), 0);
	assert_int_equal(unlink(in_bed(&bed, ".debug/tool.debug")), 0);
	expect_error(&bed, &request, -ENOENT);
	free_bed(&bed);
}

/* The compiler's paths come from a file of the target: nothing but .dwo files that all may read. */
static void split_files_are_opened_where_they_were_written(void **state)
{
	struct bed bed = new_bed("");
	char path[PATH_MAX], other[PATH_MAX];
	struct opener_request request = {.kind = OPENER_DEBUG, .path = path};

	snprintf(path, sizeof(path), "%s", in_bed(&bed, "a.dwo"));
	write_file(path, "split");
	expect_content(&bed, &request, "split");
	assert_int_equal(chmod(path, 0600), 0);
	expect_error(&bed, &request, -ENOENT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	expect_error(&bed, &request, -ENOENT);
	snprintf(other, sizeof(other), "%s/../a.dwo", bed.folder);
	request.path = other;
	expect_error(&bed, &request, -EINVAL);
	request.path = "/etc/passwd";
	expect_error(&bed, &request, -EINVAL);
	free_bed(&bed);
}

static void split_files_may_lie_below_debug_folders(void **state)
{
	struct bed bed = new_bed(NULL);
	struct opener_request request = {.kind = OPENER_DEBUG, .path = "/built/a.dwo"};

	assert_int_equal(mkdir(in_bed(&bed, "built"), 0755), 0);
	write_file(in_bed(&bed, "built/a.dwo"), "kept");
	expect_content(&bed, &request, "kept");
	free_bed(&bed);
}

static void names_of_debug_files_are_checked(void **state)
{
	static const char *const base[] = {"a", "a.debug", "..a", "?.dwp", "a b"};
	static const char *const split[] = {"/a.dwo", "/b/..c/a.dwo", "/b/a.dwo.dwo"};
	static const char *const bad[] = {"", ".", "..", "a/b", "/", "/.dwo", "/a", "/../a.dwo",
		"/b/../a.dwo", "b/a.dwo", "a\nb", "/a\x7f.dwo", "/a.dwo/", "/a.dwo/.."};
	char longest[HELPER_MAX_WANT + 2], out[16];

	for (size_t i = 0; i < sizeof(base) / sizeof(*base); i++)
		assert_true(debug_name_is_base(base[i]) && !debug_name_is_split(base[i]));
	for (size_t i = 0; i < sizeof(split) / sizeof(*split); i++)
		assert_true(debug_name_is_split(split[i]) && !debug_name_is_base(split[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(debug_name_is_good(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[HELPER_MAX_WANT] = '\0';
	assert_true(debug_name_is_good(longest));
	longest[HELPER_MAX_WANT] = 'a';
	longest[HELPER_MAX_WANT + 1] = '\0';
	assert_false(debug_name_is_good(longest));

	assert_true(debug_name_resolve(out, sizeof(out), HELPER_PACKAGE, "/usr/bin/tool"));
	assert_string_equal(out, "tool.dwp");
	assert_true(debug_name_resolve(out, sizeof(out), "a.debug", NULL));
	assert_string_equal(out, "a.debug");
	assert_false(debug_name_resolve(out, sizeof(out), HELPER_PACKAGE, NULL));
	assert_false(debug_name_resolve(out, sizeof(out), HELPER_PACKAGE, "/usr/bin/"));
	assert_false(debug_name_resolve(out, sizeof(out), HELPER_PACKAGE, "/a-long-name-of-it"));
}

static void split_names_are_folded(void **state)
{
	static const char *const folded[][2] = {
		{"/src/../obj/s.dwo", "/obj/s.dwo"},
		{"/a/b/../../../../c.dwo", "/c.dwo"},
		{"/a//b/./c.dwo", "/a/b/c.dwo"},
		{"/a/..b/c../...dwo", "/a/..b/c../...dwo"},
		{"/a/..", ""},
		{"relative/../x", ""},
		{"", ""},
	};

	for (size_t i = 0; i < sizeof(folded) / sizeof(*folded); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s", folded[i][0]);
		debug_name_fold(path);
		assert_string_equal(path, folded[i][1]);
	}
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "--helper"))
		return opener_main(argc > 3 ? argv[3] : NULL);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_the_recorded_file),
		cmocka_unit_test(refuses_another_inode),
		cmocka_unit_test(does_not_touch_what_is_no_file),
		cmocka_unit_test(opens_deleted_files),
		cmocka_unit_test(refuses_a_range_that_is_another_file_now),
		cmocka_unit_test(tells_jit_memory_from_programs),
		cmocka_unit_test(links_cannot_leave_the_root),
		cmocka_unit_test(perf_maps_are_checked),
		cmocka_unit_test(perf_maps_of_root_are_for_all_to_read),
		cmocka_unit_test(debug_files_come_from_their_folders),
		cmocka_unit_test(debug_files_of_a_target_are_its_own),
		cmocka_unit_test(split_files_are_opened_where_they_were_written),
		cmocka_unit_test(split_files_may_lie_below_debug_folders),
		cmocka_unit_test(names_of_debug_files_are_checked),
		cmocka_unit_test(split_names_are_folded),
		cmocka_unit_test(beside_a_file_only_public_ones_are_opened),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
