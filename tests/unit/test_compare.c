// SPDX-License-Identifier: MIT
/*
 * The comparison of stacks with libdw's, on a capture of a child that is made here: it is stopped
 * in a signal handler some frames deep, and libdwfl unwinds it alive. What it found, and what was
 * done to that on purpose, has to be told apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elfutils/libdwfl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare.h"
#include "profd/abi.h"
#include "util/cleanup.h"

#define MAX_FRAMES 100
#define MAX_STACK  (64 << 10)
#define FRAME	   __attribute__((noipa))

/* What is written into a capture. */
struct stopped {
	pid_t pid;
	struct capture_sample sample;
	uint64_t frames[MAX_FRAMES];
	uint8_t stack[MAX_STACK];
	char *maps;
	size_t maps_size;
};

/* ---- the child --------------------------------------------------------------------------------
 */

static void on_signal(int number)
{
	raise(SIGSTOP);
}

FRAME static int deeper(int n)
{
	char room[50];

	__asm__ volatile("" : : "r"(room) : "memory");
	return n ? deeper(n - 1) + room[0] : raise(SIGUSR1);
}

static pid_t start_child(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		signal(SIGUSR1, on_signal);
		_exit(deeper(5));
	}
	assert_true(pid > 0);
	/* Both signals stop it; the first is handed on. */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1);
	assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, SIGUSR1), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	return pid;
}

static void read_registers(struct stopped *s)
{
	struct user_regs_struct r;

	assert_int_equal(ptrace(PTRACE_GETREGS, s->pid, NULL, &r), 0);

	const uint64_t registers[CAPTURE_REGISTERS] = {r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi,
		r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip};

	memcpy(s->sample.registers, registers, sizeof(registers));
}

/* As much as there is. */
static void read_stack(struct stopped *s, uint64_t sp)
{
	size_t n = 0;

	while (n < MAX_STACK) {
		size_t page = 4096 - ((sp + n) & 4095);
		struct iovec to = {s->stack + n, page < MAX_STACK - n ? page : MAX_STACK - n};
		struct iovec from = {(void *)(uintptr_t)(sp + n), to.iov_len};

		if (process_vm_readv(s->pid, &to, 1, &from, 1, 0) != (ssize_t)to.iov_len)
			break;
		n += to.iov_len;
	}
	assert_in_range(n, 256, MAX_STACK);
	s->sample.stack_size = (uint32_t)n;
}

static void read_maps(struct stopped *s)
{
	char path[64], line[4096];
	FILE *out = open_memstream(&s->maps, &s->maps_size);

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)s->pid);

	_cleanup_fclose_ FILE *in = fopen(path, "re");

	assert_non_null(in);
	while (fgets(line, sizeof(line), in))
		if (strstr(line, " r-xp "))
			fputs(line, out);
	assert_int_equal(fclose(out), 0);
}

static int take_frame(Dwfl_Frame *frame, void *arg)
{
	struct stopped *s = arg;
	Dwarf_Addr pc;

	assert_true(dwfl_frame_pc(frame, &pc, NULL));
	assert_true(s->sample.n_user < MAX_FRAMES);
	s->frames[s->sample.n_user++] = pc;
	return DWARF_CB_OK;
}

static void unwind_alive(struct stopped *s)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_linux_proc_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
	};
	Dwfl *dwfl = dwfl_begin(&callbacks);

	assert_int_equal(dwfl_linux_proc_report(dwfl, s->pid), 0);
	assert_int_equal(dwfl_report_end(dwfl, NULL, NULL), 0);
	assert_int_equal(dwfl_linux_proc_attach(dwfl, s->pid, true), 0);
	assert_int_equal(dwfl_getthread_frames(dwfl, s->pid, take_frame, s), 0);
	dwfl_end(dwfl);
	/* raise, on_signal, the signal's frame, raise, deeper six times, the tests' own. */
	assert_in_range(s->sample.n_user, 14, MAX_FRAMES);
}

static int set_up(void **state)
{
	struct stopped *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->pid = start_child();
	s->sample.pid = s->sample.tid = (uint32_t)s->pid;
	read_registers(s);
	read_stack(s, s->sample.registers[7]);
	read_maps(s);
	unwind_alive(s);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct stopped *s = *state;

	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	free(s->maps);
	free(s);
	return 0;
}

/* ---- captures ---------------------------------------------------------------------------------
 */

static void put(FILE *out, const void *bytes, size_t size)
{
	assert_int_equal(fwrite(bytes, 1, size, out), size);
}

static void put_maps(FILE *out, const struct stopped *s)
{
	struct capture_maps maps = {.pid = (uint32_t)s->pid};
	struct capture_head head = {CAPTURE_MAPS, (uint32_t)(sizeof(maps) + s->maps_size)};

	put(out, &head, sizeof(head));
	put(out, &maps, sizeof(maps));
	put(out, s->maps, s->maps_size);
}

static void put_sample(FILE *out, const struct stopped *s)
{
	size_t frames = s->sample.n_user * sizeof(*s->frames);
	struct capture_head head = {
		CAPTURE_SAMPLE, (uint32_t)(sizeof(s->sample) + frames + s->sample.stack_size)};

	put(out, &head, sizeof(head));
	put(out, &s->sample, sizeof(s->sample));
	put(out, s->frames, frames);
	put(out, s->stack, s->sample.stack_size);
}

/* A capture of one sample in a file of its own; the file's name. */
static const char *write_capture(const struct stopped *s)
{
	static char path[64];
	int fd;
	FILE *out;

	strcpy(path, "/tmp/profd-capture-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	out = fdopen(fd, "w");
	put_maps(out, s);
	put_sample(out, s);
	assert_int_equal(fclose(out), 0);
	return path;
}

/* Mappings of code: at most so many files are opened. */
static rlim_t count_files(const struct stopped *s)
{
	rlim_t n = 0;

	for (const char *at = s->maps; (at = strstr(at, " r-xp ")); at++)
		n++;
	return n;
}

/* Whatever is not equal is listed, with both stacks. */
static void check_list(struct report *report, enum verdict verdict)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	report_disagreements(report, out);
	assert_int_equal(fclose(out), 0);
	if (verdict == EQUAL || verdict == EQUAL_IN_DUMP) {
		assert_string_equal(text, "");
	} else {
		assert_non_null(strstr(text, verdict_name(verdict)));
		assert_non_null(strstr(text, "\n    ours "));
		assert_non_null(strstr(text, "\n    libdw "));
	}
	free(text);
}

static enum verdict verdict_on(const struct stopped *s)
{
	const char *path = write_capture(s);
	struct report report = {0};
	enum verdict verdict = VERDICTS;

	assert_int_equal(compare_capture(&report, path), 0);
	unlink(path);
	assert_int_equal(report.n_programs, 1);
	assert_int_equal(report.programs[0].samples, 1);
	for (int v = 0; v < VERDICTS; v++)
		if (report.programs[0].verdicts[v])
			verdict = (enum verdict)v;
	check_list(&report, verdict);
	report_free(&report);
	return verdict;
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void test_equal(void **state)
{
	assert_int_equal(verdict_on(*state), EQUAL);
}

static void test_altered_frame(void **state)
{
	struct stopped s = *(struct stopped *)*state;

	/* One after the other: between two instructions, and in another function's middle. */
	for (size_t i = 1; i < s.sample.n_user; i++) {
		uint64_t right = s.frames[i];

		s.frames[i] = right + 1;
		assert_int_equal(verdict_on(&s), OURS_WRONG);
		s.frames[i] = (uintptr_t)start_child + 1;
		assert_int_equal(verdict_on(&s), OURS_WRONG);
		s.frames[i] = 0x1000;
		assert_int_equal(verdict_on(&s), OURS_WRONG);
		s.frames[i] = right;
	}
}

static void test_missing_and_additional_frame(void **state)
{
	const struct stopped *right = *state;
	struct stopped s;

	/* Everything stays a return address: but not of the function that was called. */
	for (size_t i = 1; i < right->sample.n_user; i++) {
		size_t n = (right->sample.n_user - i) * sizeof(*s.frames);

		s = *right;
		s.sample.n_user--;
		memmove(s.frames + i, s.frames + i + 1, n - sizeof(*s.frames));
		assert_int_equal(verdict_on(&s), OURS_WRONG);
		s = *right;
		s.sample.n_user++;
		memmove(s.frames + i + 1, s.frames + i, n);
		assert_int_equal(verdict_on(&s), OURS_WRONG);
	}
}

static void test_too_short(void **state)
{
	struct stopped s = *(struct stopped *)*state;

	s.sample.n_user -= 3;
	s.sample.end = PROFD_END_UNREADABLE;
	assert_int_equal(verdict_on(&s), OURS_SHORTER);
	s.sample.end = PROFD_END_COMPLETE;
	assert_int_equal(verdict_on(&s), OURS_WRONG);
	s.sample.n_user = 0;
	assert_int_equal(verdict_on(&s), OURS_WRONG);
}

static void test_unrecognized_root(void **state)
{
	struct stopped s = *(struct stopped *)*state;

	s.sample.end = PROFD_END_FRAME_POINTER;
	assert_int_equal(verdict_on(&s), OURS_SHORTER);
}

static void test_beyond_the_root(void **state)
{
	struct stopped s = *(struct stopped *)*state;

	s.frames[s.sample.n_user++] = s.frames[5];
	assert_int_equal(verdict_on(&s), OURS_WRONG);
}

static void test_end_of_the_dump(void **state)
{
	struct stopped s = *(struct stopped *)*state;

	s.sample.stack_size = 1200;
	assert_int_equal(verdict_on(&s), EQUAL_IN_DUMP);
	s.frames[2]++;
	assert_int_equal(verdict_on(&s), OURS_WRONG);
}

static void test_module_that_is_gone(void **state)
{
	struct stopped s = *(struct stopped *)*state;
	char *libc = strstr(s.maps, "/libc");
	enum verdict verdict;

	/* Without the library's CFI nothing contradicts, and its code cannot be looked at. */
	assert_non_null(libc);
	memcpy(libc, "/gone", 5);
	verdict = verdict_on(&s);
	memcpy(libc, "/libc", 5);
	assert_true(verdict == NO_CFI || verdict == OURS_LONGER);
}

static void test_broken_files(void **state)
{
	struct stopped *s = *state;
	const char *path = write_capture(s);
	struct report report = {0};
	struct capture_head head = {7, 0};
	FILE *out;

	/* The length of the file without its last sample's end. */
	for (int cut = 1; cut < 20000; cut += 777) {
		assert_int_equal(truncate(path, 20000 - cut), 0);
		assert_int_equal(compare_capture(&report, path), -EBADMSG);
	}
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(compare_capture(&report, path), 0);
	out = fopen(path, "we");
	put(out, &head, sizeof(head));
	assert_int_equal(fclose(out), 0);
	assert_int_equal(compare_capture(&report, path), -EBADMSG);
	unlink(path);
	assert_int_equal(compare_capture(&report, path), -ENOENT);
	report_free(&report);
}

/* Of more processes than there are descriptors for, in turns. */
static void test_many_processes(void **state)
{
	enum { PROCESSES = 64, ROUNDS = 2 };
	const struct stopped *s = *state;
	struct rlimit before, few;
	struct report report = {0};
	const char *path = write_capture(s);
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	for (int i = 0; i < PROCESSES * ROUNDS; i++) {
		struct stopped other = *s;

		other.pid = 1 + i % PROCESSES;
		other.sample.pid = (uint32_t)other.pid;
		if (i < PROCESSES)
			put_maps(out, &other);
		put_sample(out, &other);
	}
	assert_int_equal(fclose(out), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 56 * count_files(s);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(compare_capture(&report, path), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	unlink(path);
	assert_int_equal(report.programs[0].verdicts[EQUAL], PROCESSES * ROUNDS);
	report_free(&report);
}

/* What code says without CFI. */
static void test_bytes_of_code(void **state)
{
	static const uint8_t sigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	static const uint8_t change[] = {0x48, 0x8b, 0x62, 0x38, 0xff, 0xd7};
	enum { START = 0x1000, SIZE = 256 };
	uint8_t bytes[SIZE];
	struct code_file file = {.source = {.code = {{START, START + SIZE, bytes}}, .n_code = 1}};

	memset(bytes, 0x90, sizeof(bytes));
	memcpy(bytes + 100, sigreturn, sizeof(sigreturn));
	memcpy(bytes + 120, sigreturn + 2, sizeof(sigreturn) - 2);
	bytes[120] = 0xb8; /* mov $15, %eax */
	memcpy(bytes + SIZE - 5, sigreturn, 5);
	for (uint64_t at = 0; at < SIZE; at++)
		assert_int_equal(code_is_restorer(&file, START + at), at == 100 || at == 120);
	memcpy(bytes + 150, change, sizeof(change));
	for (uint64_t at = 1; at < SIZE; at++)
		assert_int_equal(
			code_changes_stack(&file, START + at), at > 155 && at <= 150 + 48 + 1);
}

static void test_limits(void **state)
{
	struct program programs[] = {
		{.name = (char *)"good",
			.samples = 2000,
			.complete = 1990,
			.verdicts[OURS_WRONG] = 1},
		{.name = (char *)"wrong",
			.samples = 2000,
			.complete = 2000,
			.verdicts[OURS_WRONG] = 2},
		{.name = (char *)"short", .samples = 2000, .complete = 1989},
		{.name = (char *)"few", .samples = 1999, .complete = 1999},
	};
	struct report_limits limits = {.samples = 2000, .wrong = 0.1, .complete = 99.5};
	struct report report = {.programs = programs, .n_programs = 4};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(report_tap(&report, "good", &limits, out), 0);
	assert_int_equal(report_tap(&report, "wrong", &limits, out), 1);
	assert_int_equal(report_tap(&report, "short", &limits, out), 1);
	assert_int_equal(report_tap(&report, "few", &limits, out), 1);
	assert_int_equal(report_tap(&report, "none", &limits, out), 2);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "not ok - wrong: ours wrong"));
	assert_non_null(strstr(text, "not ok - short: complete"));
	assert_non_null(strstr(text, "not ok - few: samples"));
	assert_null(strstr(text, "not ok - good"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_altered_frame),
		cmocka_unit_test(test_missing_and_additional_frame),
		cmocka_unit_test(test_too_short),
		cmocka_unit_test(test_unrecognized_root),
		cmocka_unit_test(test_beyond_the_root),
		cmocka_unit_test(test_end_of_the_dump),
		cmocka_unit_test(test_module_that_is_gone),
		cmocka_unit_test(test_broken_files),
		cmocka_unit_test(test_many_processes),
		cmocka_unit_test(test_bytes_of_code),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
