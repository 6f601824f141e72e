/* SPDX-License-Identifier: MIT */
/*
 * test_processes.c - the process table, fed with made-up records. Most processes here do not exist,
 * and nothing is opened (no opener): modules are told apart by their paths.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/bpf_host.h"
#include "collector/processes.h"
#include "collector/procfs.h"

/* Above every pid_max. */
#define PID   1900000001u
#define CHILD 1900000002u
#define MS    1000000ULL

static struct processes *p;
static uint64_t at; /* time of the next record */

/* The task iterator of the scan: what `host` holds. */
static struct profd_process_record host[4];
static size_t n_host;

int bpf_host_each_process(struct bpf_host *b,
	void (*handler)(void *userdata, const struct profd_process_record *record), void *userdata)
{
	for (size_t i = 0; i < n_host; i++)
		handler(userdata, &host[i]);
	return (int)n_host;
}

static int setup(void **state)
{
	at = 1000 * MS;
	n_host = 0;
	return processes_new(&p, NULL);
}

static int teardown(void **state)
{
	processes_free(p);
	return 0;
}

/* ---- records -------------------------------------------------------------------------------- */

static struct profd_identity identity(uint32_t pid, uint64_t start, uint32_t exec_id)
{
	return (struct profd_identity){.pid = pid, .start_boottime = start, .exec_id = exec_id};
}

static void process_record(
	enum record_kind kind, struct profd_identity id, uint32_t parent, const char *comm)
{
	struct profd_process_record r = {.process = id, .parent = parent};
	snprintf(r.comm, sizeof(r.comm), "%s", comm);
	struct record record = {.time = at += MS, .kind = kind, .process = &r};
	processes_handle(p, &record);
}

static void fork_record(struct profd_identity id, uint32_t parent)
{
	process_record(RECORD_FORK, id, parent, "forked");
}

static void comm_record(uint32_t pid, uint32_t tid, const char *comm, bool exec)
{
	struct record record = {.time = at += MS, .kind = RECORD_COMM};
	record.comm.pid = pid;
	record.comm.tid = tid;
	record.comm.comm = comm;
	record.comm.exec = exec;
	processes_handle(p, &record);
}

static void mmap_record(
	uint32_t pid, uint64_t start, uint64_t length, uint64_t offset, const char *path)
{
	struct record record = {.time = at += MS, .kind = RECORD_MMAP};
	record.mmap.pid = record.mmap.tid = pid;
	record.mmap.start = start;
	record.mmap.length = length;
	record.mmap.offset = offset;
	record.mmap.path = path;
	/* Each path is a file of its own. */
	if (path[0] == '/' && path[1] != '/') {
		record.mmap.major = 8;
		for (const char *c = path; *c; c++)
			record.mmap.inode = record.mmap.inode * 31 + (uint64_t)*c;
	}
	processes_handle(p, &record);
}

static void lost_record(void)
{
	struct record record = {.time = at += MS, .kind = RECORD_LOST};
	record.lost.count = 1;
	processes_handle(p, &record);
}

/* Lets time pass. */
static void pass(uint64_t ms)
{
	at += ms * MS;
	struct record record = {.time = at, .kind = RECORD_KSYMBOL};
	processes_handle(p, &record);
}

static void exec_records(struct profd_identity id, const char *path)
{
	comm_record(id.pid, id.pid, "new", true);
	mmap_record(id.pid, 0x400000, 0x10000, 0x1000, path);
	mmap_record(id.pid, 0x7f0000000000, 0x20000, 0, "/lib/ld.so");
	process_record(RECORD_EXEC, id, 0, "new");
}

static void expect_at(struct process *process, uint64_t address, const char *path, uint64_t offset)
{
	struct frame frame;
	process_resolve(p, process, address, &frame);
	assert_int_equal(frame.offset, offset);
	if (!path) {
		assert_null(frame.module);
		return;
	}
	assert_non_null(frame.module);
	assert_string_equal(frame.module->path, path);
}

static struct process *find(struct profd_identity id)
{
	return processes_find(p, &id);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void exec_makes_an_image(void **state)
{
	struct profd_identity first = identity(PID, 5, 3), second = identity(PID, 5, 4);
	fork_record(first, 1);
	assert_non_null(find(first));
	exec_records(second, "/bin/prog");
	struct process *process = find(second);
	assert_non_null(process);
	assert_ptr_not_equal(process, find(first)); /* a late sample still finds the old one */
	expect_at(process, 0x400010, "/bin/prog", 0x1010);
	expect_at(process, 0x7f0000000123, "/lib/ld.so", 0x123);
	expect_at(process, 0x900000, NULL, 0x900000);
	assert_string_equal(process_exe(process), "/bin/prog");
	assert_string_equal(process_exe_module(process)->path, "/bin/prog");
	assert_string_equal(process_comm(process, PID), "new");
	assert_int_equal(process_pid(process), PID);
}

static void exec_clears_what_was_mapped(void **state)
{
	struct profd_identity id = identity(PID, 5, 4);
	fork_record(identity(PID, 5, 3), 1);
	exec_records(id, "/bin/one");
	mmap_record(PID, 0x500000, 0x1000, 0, "/lib/plugin.so");
	id.exec_id++;
	exec_records(id, "/bin/two");
	expect_at(find(id), 0x400000, "/bin/two", 0x1000);
	expect_at(find(id), 0x500000, NULL, 0x500000);
	assert_string_equal(process_exe(find(id)), "/bin/two");
}

/* Between COMM and EXEC the identity is not told yet, but samples have it. */
static void samples_in_mid_exec_find_the_new_image(void **state)
{
	struct profd_identity id = identity(PID, 5, 4);
	fork_record(identity(PID, 5, 3), 1);
	mmap_record(PID, 0x7f0000000000, 0x20000, 0, "/lib/libc.so");
	comm_record(PID, PID, "new", true);
	mmap_record(PID, 0x400000, 0x1000, 0, "/bin/prog");
	struct process *process = find(id);
	assert_non_null(process);
	expect_at(process, 0x400000, "/bin/prog", 0);
	/* Where the old image called execve: the registers are still its. */
	expect_at(process, 0x7f0000000ad7, "/lib/libc.so", 0xad7);
	process_record(RECORD_EXEC, id, 0, "new");
	assert_ptr_equal(find(id), process);
	expect_at(process, 0x7f0000000ad7, NULL, 0x7f0000000ad7);
}

static void forks_share_until_they_change(void **state)
{
	struct profd_identity parent = identity(PID, 5, 4), child = identity(CHILD, 9, 4);
	fork_record(identity(PID, 5, 3), 1);
	exec_records(parent, "/bin/prog");
	fork_record(child, PID);
	struct processes_stats before = processes_stats(p);
	expect_at(find(child), 0x400010, "/bin/prog", 0x1010);
	assert_string_equal(process_exe(find(child)), "/bin/prog");
	assert_string_equal(process_comm(find(child), CHILD), "forked");
	mmap_record(CHILD, 0x400000, 0x1000, 0, "/lib/child.so");
	mmap_record(PID, 0x600000, 0x1000, 0, "/lib/parent.so");
	expect_at(find(child), 0x400010, "/lib/child.so", 0x10);
	expect_at(find(child), 0x600000, NULL, 0x600000);
	expect_at(find(parent), 0x400010, "/bin/prog", 0x1010);
	expect_at(find(parent), 0x600000, "/lib/parent.so", 0);
	assert_true(processes_stats(p).bytes > before.bytes);
}

/* Nothing reports munmap: what was mapped stays until something else covers it. */
static void mappings_live_until_covered(void **state)
{
	struct profd_identity id = identity(PID, 5, 4);
	fork_record(identity(PID, 5, 3), 1);
	exec_records(id, "/bin/prog");
	mmap_record(PID, 0x10000000, 0x8000, 0, "/lib/a.so");
	mmap_record(PID, 0x10002000, 0x2000, 0x5000, "/lib/b.so");
	expect_at(find(id), 0x10001fff, "/lib/a.so", 0x1fff);
	expect_at(find(id), 0x10002000, "/lib/b.so", 0x5000);
	expect_at(find(id), 0x10004000, "/lib/a.so", 0x4000);
}

static void anonymous_code_is_of_its_process(void **state)
{
	struct profd_identity id = identity(PID, 5, 4), child = identity(CHILD, 9, 4);
	struct frame a, b, c;
	fork_record(identity(PID, 5, 3), 1);
	exec_records(id, "/usr/bin/node");
	mmap_record(PID, 0x20000000, 0x4000, 0, "//anon");
	mmap_record(PID, 0x30000000, 0x4000, 0, "/dev/zero");
	fork_record(child, PID);
	process_resolve(p, find(id), 0x20000010, &a);
	process_resolve(p, find(id), 0x30000010, &b);
	process_resolve(p, find(child), 0x20000010, &c);
	assert_int_equal(a.module->kind, MODULE_PERF_MAP);
	assert_int_equal(a.offset, 0x20000010);
	assert_int_equal(a.module->pid, PID);
	assert_ptr_equal(a.module, b.module);
	assert_ptr_not_equal(a.module, c.module);
	assert_int_equal(c.module->pid, CHILD);
}

static void special_mappings_are_known(void **state)
{
	struct profd_identity id = identity(PID, 5, 4);
	struct frame frame;
	uint64_t vdso = 0;
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	while (f && fgets(line, sizeof(line), f)) {
		uint64_t start, end;
		if (strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", &start, &end) == 2)
			vdso = end - start;
	}
	if (f)
		fclose(f);
	fork_record(identity(PID, 5, 3), 1);
	exec_records(id, "/bin/prog");
	if (vdso) {
		mmap_record(PID, 0x7fff00000000, vdso, 0, "[vdso]");
		process_resolve(p, find(id), 0x7fff00000123, &frame);
		assert_int_equal(frame.module->kind, MODULE_VDSO);
		assert_int_equal(frame.module->state, MODULE_OPEN);
		assert_int_equal(frame.offset, 0x123);
		char magic[4];
		assert_int_equal(pread(frame.module->fd, magic, 4, 0), 4);
		assert_memory_equal(magic, "\177ELF", 4);
		/* A 32-bit program has another one: its code is not named by ours. */
		mmap_record(PID, 0xf7f00000, vdso, 0, "[vdso]");
		process_resolve(p, find(id), 0xf7f00123, &frame);
		assert_int_equal(frame.module->kind, MODULE_ANON);
	}
	mmap_record(PID, 0x7fffe0000000, 0x1000, 0, "[uprobes]");
	process_resolve(p, find(id), 0x7fffe0000010, &frame);
	assert_int_equal(frame.module->kind, MODULE_ANON);
	assert_string_equal(frame.module->path, "[uprobes]");
	assert_int_equal(frame.offset, 0x7fffe0000010);
	assert_int_equal(processes_kernel_module(p)->kind, MODULE_KERNEL);
}

static void a_reused_pid_is_another_process(void **state)
{
	struct profd_identity old = identity(PID, 5, 4), new = identity(PID, 77, 4);
	fork_record(identity(PID, 5, 3), 1);
	exec_records(old, "/bin/old");
	process_record(RECORD_EXIT, old, 0, "old");
	fork_record(identity(PID, 77, 3), 1);
	exec_records(new, "/bin/new");
	expect_at(find(new), 0x400000, "/bin/new", 0x1000);
	expect_at(find(old), 0x400000, "/bin/old", 0x1000);
	/* The exit of the old one, seen late, does not end the new one. */
	process_record(RECORD_EXIT, old, 0, "old");
	assert_int_equal(processes_stats(p).processes, 1);
}

#define KEPT_MS (PROCESSES_KEEP_DEAD_NS / 1000000)

static void samples_after_the_exit_are_found_for_a_while(void **state)
{
	struct profd_identity id = identity(PID, 5, 4);
	fork_record(identity(PID, 5, 3), 1);
	exec_records(id, "/bin/prog");
	process_record(RECORD_EXIT, id, 0, "new");
	pass(KEPT_MS - 500);
	struct process *process = find(id);
	assert_non_null(process);
	expect_at(process, 0x400000, "/bin/prog", 0x1000);
	process_ref(process);
	pass(1000);
	assert_null(find(id));
	assert_int_equal(processes_stats(p).images, 0);
	/* A window's reference keeps its labels. */
	assert_string_equal(process_exe(process), "/bin/prog");
	assert_string_equal(process_comm(process, PID), "new");
	expect_at(process, 0x400000, NULL, 0x400000);
	process_unref(process);
}

static void threads_have_names(void **state)
{
	struct profd_identity id = identity(PID, 5, 4);
	fork_record(identity(PID, 5, 3), 1);
	exec_records(id, "/bin/prog");
	comm_record(PID, PID + 5, "worker-1", false);
	comm_record(PID, PID + 3, "worker-2", false);
	assert_string_equal(process_comm(find(id), PID + 5), "worker-1");
	assert_string_equal(process_comm(find(id), PID + 3), "worker-2");
	assert_string_equal(process_comm(find(id), PID + 4), "new"); /* the leader's */
	comm_record(PID, PID, "renamed by itself", false);
	assert_string_equal(process_comm(find(id), PID), "renamed by itse");
	for (uint32_t i = 0; i < 5000; i++)
		comm_record(PID, PID + 10 + i, "many", false);
	assert_string_equal(process_comm(find(id), PID + 10 + 4999), "many");
	assert_true(processes_stats(p).bytes < 2000000);
	/* exec: other threads are gone with their names. */
	id.exec_id++;
	exec_records(id, "/bin/prog");
	assert_string_equal(process_comm(find(id), PID + 5), "new");
}

static void records_of_the_unknown_are_harmless(void **state)
{
	struct profd_identity id = identity(PID, 5, 4);
	mmap_record(PID, 0x400000, 0x1000, 0, "/bin/prog");
	mmap_record(0, 0x400000, 0x1000, 0, "/bin/prog");
	mmap_record(UINT32_MAX, 0x400000, 0x1000, 0, "/lib/modules/x.ko");
	comm_record(PID, PID, "x", false);
	process_record(RECORD_EXIT, id, 0, "x");
	assert_int_equal(processes_stats(p).images, 0);
	assert_null(find(id)); /* there is no such process */
	assert_null(find(identity(0, 0, 0)));
	/* An exec of a process whose fork was lost. */
	exec_records(id, "/bin/prog");
	expect_at(find(id), 0x400000, "/bin/prog", 0x1000);
	assert_string_equal(process_exe(find(id)), "/bin/prog");
	/* Nonsense in a mapping is left out. */
	mmap_record(PID, 0x400001, 0x1000, 0, "/bin/odd");
	mmap_record(PID, ~0ULL - 0xfff, 0x100000, 0, "/bin/odd");
	mmap_record(PID, 0x400000, 0, 0, "/bin/odd");
	mmap_record(PID, 0x400000, 0x1000, 0, "");
	expect_at(find(id), 0x401000, "/bin/prog", 0x2000);
}

/* ---- with this process as the example ------------------------------------------------------ */

static struct profd_identity own_identity(void)
{
	uint64_t ticks = 0;
	assert_int_equal(procfs_start_ticks((uint32_t)getpid(), &ticks), 0);
	uint64_t ns = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);
	return identity((uint32_t)getpid(), ticks * ns + 7, 2);
}

static void expect_own_code(struct process *process)
{
	char exe[4096];
	struct frame frame;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	assert_true(n > 0);
	exe[n] = '\0';
	process_resolve(p, process, (uintptr_t)&expect_own_code, &frame);
	assert_non_null(frame.module);
	assert_string_equal(frame.module->path, exe);
	assert_string_equal(process_exe(process), exe);
	assert_ptr_equal(process_exe_module(process), frame.module);
}

static void unknown_processes_are_looked_at(void **state)
{
	struct profd_identity me = own_identity();
	struct process *process = find(me);
	assert_non_null(process);
	expect_own_code(process);
	assert_int_equal(processes_stats(p).rescans, 1);
	char comm[16] = "";
	prctl(PR_GET_NAME, comm);
	assert_string_equal(process_comm(process, me.pid), comm);
	/* The same pid, but started at another time: that process is gone. */
	me.start_boottime += 5000000000ULL;
	assert_null(find(me));
}

static void files_without_room_are_tried_again(void **state)
{
	struct profd_identity me = own_identity();
	struct frame frame;
	host[0] = (struct profd_process_record){.process = me, .comm = "self"};
	host[0].head.time = at;
	n_host = 1;
	assert_int_equal(processes_scan(p, NULL), 1);
	/* Failed for good. */
	process_resolve(p, find(me), (uintptr_t)&expect_own_code, &frame);
	assert_int_equal(frame.module->state, MODULE_FAILED);
	expect_own_code(find(me));
	assert_int_equal(processes_stats(p).rescans, 0);
	frame.module->error = -ENOBUFS;
	process_resolve(p, find(me), (uintptr_t)&expect_own_code, &frame);
	expect_own_code(find(me));
	assert_int_equal(processes_stats(p).rescans, 1);
	/* Not with every sample. */
	process_resolve(p, find(me), (uintptr_t)&expect_own_code, &frame);
	frame.module->error = -ENOBUFS;
	expect_own_code(find(me));
	expect_own_code(find(me));
	assert_int_equal(processes_stats(p).rescans + processes_stats(p).rescans_refused, 1);
}

/* A full table lets go of the oldest of the dead, which here is the image before. */
static void an_exec_finds_the_table_full(void **state)
{
	fork_record(identity(PID, 1, 0), 0);
	process_record(RECORD_EXIT, identity(PID, 1, 0), 0, "gone");
	uint64_t then = at;
	for (uint32_t i = 1; i < 65536; i++) {
		at = then;
		fork_record(identity(1000000 + i, 1, 0), 0);
	}
	assert_int_equal(processes_stats(p).images, 65536);
	at = then;
	exec_records(identity(PID, 1, 1), "/new");
	struct process *process = find(identity(PID, 1, 1));
	assert_non_null(process);
	assert_string_equal(process_exe(process), "/new");
	assert_int_equal(processes_stats(p).images, 65536);
}

static void lost_records_make_processes_be_read_again(void **state)
{
	struct profd_identity me = own_identity();
	host[0] = (struct profd_process_record){.process = me, .comm = "self"};
	host[0].head.time = at;
	n_host = 1;
	assert_int_equal(processes_scan(p, NULL), 1);
	expect_own_code(find(me));
	assert_int_equal(processes_stats(p).rescans, 0);
	lost_record();
	expect_own_code(find(me));
	assert_int_equal(processes_stats(p).rescans, 1);
	/* Not again at once. */
	lost_record();
	expect_own_code(find(me));
	assert_int_equal(processes_stats(p).rescans, 1);
	assert_true(processes_stats(p).rescans_refused > 0);
}

/* What an exec mapped first is the executable, if nothing says that records are missing. */
static void a_lost_executable_is_not_the_loader(void **state)
{
	struct profd_identity me = own_identity();
	comm_record(me.pid, me.pid, "new", true);
	lost_record();
	mmap_record(me.pid, 0x1000000, 0x20000, 0, "/lib/ld.so");
	process_record(RECORD_EXEC, me, 0, "new");
	expect_own_code(find(me));
	assert_int_equal(processes_stats(p).rescans, 1);
}

/* A mapping that no record told of is found when it is needed. */
static void missing_mappings_are_looked_up(void **state)
{
	struct profd_identity me = own_identity();
	struct frame frame;
	host[0] = (struct profd_process_record){.process = me, .comm = "self"};
	host[0].head.time = at;
	n_host = 1;
	assert_int_equal(processes_scan(p, NULL), 1);
	int fd = memfd_create("late", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 4096), 0);
	void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	close(fd);
	process_resolve(p, find(me), (uintptr_t)page + 8, &frame);
	assert_non_null(frame.module);
	assert_string_equal(frame.module->path, "/memfd:late");
	assert_int_equal(frame.offset, 8);
	munmap(page, 4096);
	/* Addresses that nobody can have do not even make it look. */
	struct processes_stats before = processes_stats(p);
	process_resolve(p, find(me), 16, &frame);
	process_resolve(p, find(me), ~0ULL, &frame);
	assert_null(frame.module);
	assert_int_equal(processes_stats(p).rescans + processes_stats(p).rescans_refused,
		before.rescans + before.rescans_refused);
}

/* Records that were in the rings when the scan was made are in it already. */
static void the_scan_outranks_older_records(void **state)
{
	struct profd_identity me = own_identity();
	host[0] = (struct profd_process_record){.process = me, .comm = "self"};
	host[0].head.time = at + 1000 * MS;
	n_host = 1;
	assert_int_equal(processes_scan(p, NULL), 1);
	fork_record(me, 1);
	comm_record(me.pid, me.pid, "old", true);
	uint64_t page = (uintptr_t)&expect_own_code & ~0xfffULL;
	mmap_record(me.pid, page, 0x1000, 0, "/bin/old");
	expect_own_code(find(me));
	assert_int_equal(processes_stats(p).images, 1);
}

static void sweeping_forgets_the_gone(void **state)
{
	struct profd_identity id = identity(PID, 5, 3), me = own_identity();
	fork_record(id, 1);
	assert_non_null(find(me));
	assert_int_equal(processes_stats(p).processes, 2);
	processes_sweep(p);
	assert_int_equal(processes_stats(p).processes, 1);
	pass(KEPT_MS + 1000);
	assert_null(find(id));
	assert_non_null(find(me));
}

static void floods_stay_bounded(void **state)
{
	for (uint32_t i = 0; i < 70000; i++)
		fork_record(identity(PID + i, 5, 3), 1);
	assert_true(processes_stats(p).images <= 65536);
	/* 2,000 processes of 60 mappings each, none shared. */
	teardown(NULL);
	setup(NULL);
	for (uint32_t i = 0; i < 2000; i++) {
		fork_record(identity(PID + i, 5, 3), 1);
		for (uint64_t j = 0; j < 60; j++)
			mmap_record(PID + i, 0x400000 + j * 0x100000, 0x1000, 0, "/lib/x.so");
	}
	assert_int_equal(processes_stats(p).mappings, 120000);
	assert_true(processes_stats(p).bytes < 5 * 1024 * 1024);
}

/* ---- /proc as text -------------------------------------------------------------------------- */

static void maps_lines_are_parsed(void **state)
{
	struct module_mapping m;
	uint64_t offset;
	char good[] =
		"7f2ec6298000-7f2ec62ba000 r-xp 00002000 fe:1f 247026          /usr/lib/a b.so\n";
	assert_true(procfs_parse_maps_line(good, &m, &offset));
	assert_int_equal(m.start, 0x7f2ec6298000);
	assert_int_equal(m.end, 0x7f2ec62ba000);
	assert_int_equal(offset, 0x2000);
	assert_int_equal(m.major, 0xfe);
	assert_int_equal(m.minor, 0x1f);
	assert_int_equal(m.inode, 247026);
	assert_string_equal(m.path, "/usr/lib/a b.so");
	char newline[] = "400000-401000 r-xs 0 8:1 5 /tmp/a\\012400000-401000 r-xp\n";
	assert_true(procfs_parse_maps_line(newline, &m, &offset));
	assert_string_equal(m.path, "/tmp/a\n400000-401000 r-xp");
	char anon[] = "400000-401000 rwxp 00000000 00:00 0 \n";
	assert_true(procfs_parse_maps_line(anon, &m, &offset));
	assert_string_equal(m.path, "//anon");
}

static void hostile_maps_lines_are_refused(void **state)
{
	static const char *const lines[] = {"", "\n", "400000", "400000-401000",
		"400000-401000 r-xp", "400000-401000 r-xp 0 8:1", "400000-401000 rw-p 0 8:1 5 /x",
		"401000-400000 r-xp 0 8:1 5 /x", "400000-400000 r-xp 0 8:1 5 /x",
		"zzz-401000 r-xp 0 8:1 5 /x", "400000-401000 rx 0 8:1 5 /x"};
	struct module_mapping m;
	uint64_t offset;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *line = strdup(lines[i]);
		assert_false(procfs_parse_maps_line(line, &m, &offset));
		free(line);
	}
}

static void start_times_are_parsed(void **state)
{
	uint64_t ticks = 0;
	assert_int_equal(procfs_parse_start("12 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 "
					    "16 17 18 4711 20",
				 &ticks),
		0);
	assert_int_equal(ticks, 4711);
	assert_int_equal(procfs_parse_start("", &ticks), -EBADMSG);
	assert_int_equal(procfs_parse_start("12 (a", &ticks), -EBADMSG);
	assert_int_equal(procfs_parse_start("12 (a) S 1 2 3", &ticks), -EBADMSG);
	assert_int_equal(procfs_start_ticks(PID, &ticks), -ENOENT);
}

#define with_table(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_table(exec_makes_an_image),
		with_table(exec_clears_what_was_mapped),
		with_table(samples_in_mid_exec_find_the_new_image),
		with_table(forks_share_until_they_change),
		with_table(mappings_live_until_covered),
		with_table(anonymous_code_is_of_its_process),
		with_table(special_mappings_are_known),
		with_table(a_reused_pid_is_another_process),
		with_table(samples_after_the_exit_are_found_for_a_while),
		with_table(threads_have_names),
		with_table(records_of_the_unknown_are_harmless),
		with_table(unknown_processes_are_looked_at),
		with_table(files_without_room_are_tried_again),
		with_table(an_exec_finds_the_table_full),
		with_table(lost_records_make_processes_be_read_again),
		with_table(a_lost_executable_is_not_the_loader),
		with_table(missing_mappings_are_looked_up),
		with_table(the_scan_outranks_older_records),
		with_table(sweeping_forgets_the_gone),
		with_table(floods_stay_bounded),
		cmocka_unit_test(maps_lines_are_parsed),
		cmocka_unit_test(hostile_maps_lines_are_refused),
		cmocka_unit_test(start_times_are_parsed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
