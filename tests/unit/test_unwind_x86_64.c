// SPDX-License-Identifier: MIT
/*
 * Whole stacks by compiled rows, with the step that BPF programs take: this program unwinds itself,
 * through libc, a signal handler on its own stack, realigned stacks, lazy binding and a thread's
 * start, and must find the return addresses that libgcc's unwinder finds. It also unwinds a child
 * of its own in each instruction of vfork().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "own_calls.h"
#include "symbolizer/elf_file.h"
#include "unwind/cfi_source.h"
#include "unwind/compile.h"

static uint32_t page_words[UNWIND_PAGE_WORDS];
static size_t n_words;

static uint32_t word(const uint32_t *words, uint32_t i)
{
	assert_true(i < n_words);
	return words[i];
}

/* Whose stack is walked: a stopped process that is like this one, or (0) this very thread's. */
static pid_t traced;
static struct user_regs_struct traced_registers;

static int read_memory(void *to, size_t size, uint64_t address)
{
	struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};

	if (traced)
		return process_vm_readv(traced, &local, 1, &remote, 1, 0) != (ssize_t)size;
	memcpy(to, (const void *)(uintptr_t)address, size);
	return 0;
}

static uint64_t register_of_traced(uint32_t number)
{
	if (!traced || number != 5 /* rdi */)
		fail_msg("register %u", number);
	return traced_registers.rdi;
}

#define TABLE_WORD(words, i)	      word(words, (uint32_t)(i))
#define TABLE_READ(f, to, n, address) read_memory(to, n, address)
#define TABLE_REGISTER(f, number)     register_of_traced(number)
#define TABLE_SP		      7
#define TABLE_FP		      6
#define TABLE_USER_END		      (1ULL << 56)
#include "../../bpf/unwind_table.h"

/* ---- the modules of this process ---------------------------------------------------------- */

#define MAX_MODULES 16

static struct module {
	uint64_t base;
	char path[256];
	int fd;
	struct elf_file file;
	struct unwind_module *tables;
} modules[MAX_MODULES];
static size_t n_modules;

struct search {
	uint64_t address, base;
	const char *path;
};

static int holds(struct dl_phdr_info *info, size_t size, void *userdata)
{
	struct search *s = userdata;

	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_LOAD &&
			s->address - info->dlpi_addr - ph->p_vaddr < ph->p_memsz) {
			s->base = info->dlpi_addr;
			s->path = *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";
			return 1;
		}
	}
	return 0;
}

static struct module *module_at(uint64_t address)
{
	struct search s = {.address = address};
	struct cfi_source source;
	struct module *m;

	assert_true(dl_iterate_phdr(holds, &s));
	for (size_t i = 0; i < n_modules; i++)
		if (modules[i].base == s.base)
			return &modules[i];
	assert_true(n_modules < MAX_MODULES);
	m = &modules[n_modules++];
	m->base = s.base;
	m->fd = open(s.path, O_RDONLY | O_CLOEXEC);
	assert_true(m->fd >= 0);
	assert_int_equal(elf_file_open(&m->file, m->fd), 0);
	assert_int_equal(cfi_source_read(&source, &m->file), 0);
	assert_int_equal(unwind_module_open(&m->tables, &source), 0);
	return m;
}

static int close_modules(void **state)
{
	for (size_t i = 0; i < n_modules; i++) {
		unwind_module_close(modules[i].tables);
		elf_file_close(&modules[i].file);
		close(modules[i].fd);
	}
	n_modules = 0;
	return 0;
}

/* ---- unwinding ---------------------------------------------------------------------------- */

#define MAX_FRAMES 256

struct stack {
	uint64_t frames[MAX_FRAMES];
	size_t n;
	size_t interrupted; /* frames that did not call the inner one */
	int end;	    /* enum table_result */
};

static void walk(struct table_frame *f, struct stack *stack)
{
	stack->interrupted = 0;
	for (stack->n = 0; stack->n < MAX_FRAMES;) {
		uint64_t at = f->ip - !f->exact;
		struct module *m = module_at(at);
		int n = unwind_module_compile(
			m->tables, (at - m->base) & ~(uint64_t)(UNWIND_PAGE_SIZE - 1), page_words);
		struct table_rule rule;

		assert_true(n > 0);
		n_words = (size_t)n;
		stack->frames[stack->n++] = f->ip;
		table_rule(&rule, page_words, 0, (uint16_t)(at - m->base));
		stack->end = table_step(f, &rule);
		if (stack->end != TABLE_CALLER)
			return;
		stack->interrupted += f->exact;
	}
}

static __attribute__((noinline)) void compare(void)
{
	struct table_frame f = {.innermost = 1, .exact = 1};
	void *expected[MAX_FRAMES];
	struct stack stack;
	int n = backtrace(expected, MAX_FRAMES);

	__asm__ volatile("lea 0f(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2\n0:"
			 : "=&r"(f.ip), "=&r"(f.sp), "=&r"(f.fp));
	walk(&f, &stack);
	assert_int_equal(stack.end, TABLE_END);
	/* Below a sanitizer its own backtrace is the innermost frame. */
	assert_in_range((size_t)n, stack.n, stack.n + 1);
	for (size_t i = 1; i < stack.n; i++)
		assert_ptr_equal(
			(void *)(uintptr_t)stack.frames[i], expected[(size_t)n - stack.n + i]);
	depth = stack.n;
	interrupted = stack.interrupted;
}

/* ---- stacks ------------------------------------------------------------------------------- */

/* Functions of assembly that count their CFA from a register as glibc's lazy resolver does, and a
 * function between that saves it. */
#define ON_REGISTER(name, reg, target)                     \
	__asm__(".type " #name ", @function\n" #name ":\n" \
		".cfi_startproc\n"                         \
		"push %" #reg "\n"                         \
		".cfi_adjust_cfa_offset 8\n"               \
		".cfi_rel_offset " #reg ", 0\n"            \
		"mov %rsp, %" #reg "\n"                    \
		".cfi_def_cfa_register " #reg "\n"         \
		"and $-64, %rsp\n"                         \
		"call " #target "\n"                       \
		"mov %" #reg ", %rsp\n"                    \
		".cfi_def_cfa_register rsp\n"              \
		"pop %" #reg "\n"                          \
		".cfi_adjust_cfa_offset -8\n"              \
		"ret\n"                                    \
		".cfi_endproc\n"                           \
		".size " #name ", . - " #name "\n");       \
	void name(void)

#define SAVES_REGISTERS(name, target)                      \
	__asm__(".type " #name ", @function\n" #name ":\n" \
		".cfi_startproc\n"                         \
		"push %r14\n"                              \
		".cfi_adjust_cfa_offset 8\n"               \
		".cfi_rel_offset r14, 0\n"                 \
		"push %rbx\n"                              \
		".cfi_adjust_cfa_offset 8\n"               \
		".cfi_rel_offset rbx, 0\n"                 \
		"sub $24, %rsp\n"                          \
		".cfi_adjust_cfa_offset 24\n"              \
		"xor %ebx, %ebx\n"                         \
		"xor %r14d, %r14d\n"                       \
		"call " #target "\n"                       \
		"add $24, %rsp\n"                          \
		".cfi_adjust_cfa_offset -24\n"             \
		"pop %rbx\n"                               \
		".cfi_adjust_cfa_offset -8\n"              \
		"pop %r14\n"                               \
		".cfi_adjust_cfa_offset -8\n"              \
		"ret\n"                                    \
		".cfi_endproc\n"                           \
		".size " #name ", . - " #name "\n")

static __attribute__((used, noinline)) void recurse_thrice(void)
{
	recurse(3);
}

SAVES_REGISTERS(saves_inner, recurse_thrice);
ON_REGISTER(on_r14, r14, saves_inner);
SAVES_REGISTERS(saves_outer, on_r14);
ON_REGISTER(on_rbx, rbx, saves_outer);

static void test_signal(void **state)
{
	static char memory[1 << 17];
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	stack_t other = {.ss_sp = memory, .ss_size = sizeof(memory)},
		none = {.ss_flags = SS_DISABLE};

	depth = 0;
	assert_int_equal(sigaltstack(&other, NULL), 0);
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	raise(SIGUSR1);
	assert_true(depth > 8);
	assert_int_equal(interrupted, 1);
	action.sa_handler = SIG_DFL;
	sigaction(SIGUSR1, &action, NULL);
	sigaltstack(&none, NULL);
}

static void test_cfa_by_saved_register(void **state)
{
	depth = 0;
	on_rbx();
	assert_true(depth > 11);
}

/* A resolver of an ifunc is called while the function is bound: see lazy.c. */
static void test_lazy_binding(void **state)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("lazy.so"));
	void (**in_resolver)(void);
	int (*call_chosen)(void);
	void *library;

	assert_true(n > 0);
	path[n] = 0;
	strcpy(strrchr(path, '/') + 1, "lazy.so");
	library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	assert_non_null(library);
	in_resolver = (void (**)(void))dlsym(library, "in_resolver");
	*(void **)&call_chosen = dlsym(library, "call_chosen");
	assert_non_null(in_resolver);
	assert_non_null(call_chosen);
	depth = 0;
	*in_resolver = recurse_thrice;
	assert_int_equal(call_chosen(), 42);
	assert_true(depth > 11);
	*in_resolver = NULL;
	dlclose(library);
}

/* ---- vfork -------------------------------------------------------------------------------- */

#define VFORK_BYTES 34 /* at most; it is all one function */

/* libc's own, not a sanitizer's around it. */
static pid_t (*real_vfork)(void);

static void find_vfork(void)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

	assert_non_null(libc);
	*(void **)&real_vfork = dlsym(libc, "vfork");
	assert_non_null(real_vfork);
	dlclose(libc);
}

static bool in_vfork(void)
{
	return traced_registers.rip - (uint64_t)(uintptr_t)real_vfork < VFORK_BYTES;
}

/* Who was waited for is traced from now on. */
static void stop_at(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, __WALL), pid);
	assert_true(WIFSTOPPED(status));
	traced = pid;
	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &traced_registers), 0);
}

/* The stack of who is stopped in vfork() is `stack`, apart from vfork's own frame. */
static void expect_stack(const struct stack *stack)
{
	struct table_frame f = {
		.ip = traced_registers.rip,
		.sp = traced_registers.rsp,
		.fp = traced_registers.rbp,
		.innermost = 1,
		.registers = 1,
		.exact = 1,
	};
	struct stack now;

	walk(&f, &now);
	assert_int_equal(now.end, TABLE_END);
	assert_int_equal(now.n, stack->n);
	assert_memory_equal(
		now.frames + 1, stack->frames + 1, (stack->n - 1) * sizeof(*stack->frames));
}

/* The child that vfork() makes, between its system call and the push behind it, and after that. */
static void expect_child(pid_t parent, const struct stack *stack)
{
	unsigned long child;

	assert_int_equal(ptrace(PTRACE_GETEVENTMSG, parent, NULL, &child), 0);
	stop_at((pid_t)child);
	for (; in_vfork(); stop_at((pid_t)child)) {
		expect_stack(stack);
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, (pid_t)child, NULL, NULL), 0);
	}
	assert_int_equal(ptrace(PTRACE_DETACH, (pid_t)child, NULL, NULL), 0);
}

static void calls_vfork(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	raise(SIGSTOP);
	real_vfork(); /* by both of them */
	_exit(0);
}

static void test_vfork(void **state)
{
	size_t stops = 0;
	struct stack stack;
	int status;
	pid_t pid;

	find_vfork();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		calls_vfork();
	stop_at(pid);
	assert_int_equal(
		ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL), 0);
	do {
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		stop_at(pid);
	} while (!in_vfork());
	/* On its first instruction there is nothing special yet. */
	walk(&(struct table_frame){.ip = traced_registers.rip,
		     .sp = traced_registers.rsp,
		     .fp = traced_registers.rbp,
		     .innermost = 1,
		     .exact = 1},
		&stack);
	assert_true(stack.n > 4);
	for (; in_vfork(); stops++) {
		expect_stack(&stack);
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, __WALL), pid);
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_VFORK << 8)) {
			expect_child(pid, &stack);
			assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
			stop_at(pid);
		} else {
			assert_true(WIFSTOPPED(status));
			traced = pid;
			assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &traced_registers), 0);
		}
	}
	assert_int_equal(traced_registers.rip, stack.frames[1]);
	assert_true(stops > 5);
	assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	traced = 0;
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recursion),
		cmocka_unit_test(test_through_libc),
		cmocka_unit_test(test_realigned_stack),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_cfa_by_saved_register),
		cmocka_unit_test(test_lazy_binding),
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_vfork),
	};

	return cmocka_run_group_tests(tests, NULL, close_modules);
}
