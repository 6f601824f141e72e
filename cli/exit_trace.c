// SPDX-License-Identifier: MIT
/* Source: ptrace(2), "Stopped states" and "PTRACE_EVENT stops". */
#include "exit_trace.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/grow.h"

#define FOLLOW                                                                                 \
	(PTRACE_O_TRACEEXIT | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | \
		PTRACE_O_TRACEEXEC)

/* The data of a request is a number. */
static void *number(unsigned long n)
{
	void *data;

	memcpy(&data, &n, sizeof(data));
	return data;
}

/* Whoever is killed while it stands still is gone: nothing is left to do then. */
static void go_on(pid_t tid, int signal)
{
	(void)ptrace(PTRACE_CONT, tid, NULL, number((unsigned long)signal));
}

/* ---- who there is --------------------------------------------------------------------------- */

static size_t find(const struct exit_trace *t, pid_t tid)
{
	size_t i = 0;

	while (i < t->n_threads && t->threads[i].tid != tid)
		i++;
	return i;
}

static void add_thread(struct exit_trace *t, pid_t tid, pid_t pid)
{
	if (find(t, tid) < t->n_threads)
		return;
	if (grow(t->threads, t->n_threads, t->threads_capacity, 1)) {
		t->lost = true;
		(void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
		return;
	}
	t->threads[t->n_threads++] = (struct traced_thread){.tid = tid, .pid = pid};
}

static void remove_thread(struct exit_trace *t, pid_t tid)
{
	size_t i = find(t, tid);

	if (i < t->n_threads)
		t->threads[i] = t->threads[--t->n_threads];
}

static bool is_last(const struct exit_trace *t, pid_t tid, pid_t pid)
{
	for (size_t i = 0; i < t->n_threads; i++)
		if (t->threads[i].pid == pid && t->threads[i].tid != tid && !t->threads[i].ending)
			return false;
	return true;
}

static void forget_registers(struct exit_trace *t, pid_t pid)
{
	for (size_t i = 0; i < t->n_registers;)
		if (t->registers[i].pid == pid)
			t->registers[i] = t->registers[--t->n_registers];
		else
			i++;
}

/* The image is another: its other threads are gone, and the one that called exec has the
 * process's number. */
static void begin_image(struct exit_trace *t, pid_t pid)
{
	for (size_t i = 0; i < t->n_threads;)
		if (t->threads[i].pid == pid && t->threads[i].tid != pid)
			t->threads[i] = t->threads[--t->n_threads];
		else
			i++;
	add_thread(t, pid, pid);
	forget_registers(t, pid);
}

/* ---- ends ----------------------------------------------------------------------------------- */

/* False: it is gone, or no 64-bit process. */
static bool read_registers(pid_t tid, struct user_regs_struct *registers)
{
	struct iovec v = {.iov_base = registers, .iov_len = sizeof(*registers)};

	return ptrace(PTRACE_GETREGSET, tid, number(NT_PRSTATUS), &v) == 0 &&
	       v.iov_len == sizeof(*registers);
}

static void keep_registers(
	struct exit_trace *t, pid_t pid, const struct user_regs_struct *registers)
{
	struct last_registers *last;

	_Static_assert(sizeof(*registers) <= sizeof(last->words), "all have a place");
	if (grow(t->registers, t->n_registers, t->registers_capacity, 1)) {
		t->lost = true;
		return;
	}
	last = &t->registers[t->n_registers++];
	*last = (struct last_registers){.pid = pid, .stack = registers->rsp};
	last->n_words = sizeof(*registers) / sizeof(uint64_t);
	memcpy(last->words, registers, sizeof(*registers));
}

static void hold(struct exit_trace *t, pid_t tid, pid_t pid)
{
	if (t->open || grow(t->held, t->n_held, t->held_capacity, 1)) {
		t->lost |= !t->open;
		forget_registers(t, pid);
		go_on(tid, 0);
		return;
	}
	t->held[t->n_held++] = (struct traced_thread){.tid = tid, .pid = pid};
}

/* A thread is about to end. If it is in exit(2), it is the only one that does. */
static void on_exit_stop(struct exit_trace *t, pid_t tid)
{
	struct user_regs_struct registers;
	size_t i = find(t, tid);
	pid_t pid = i < t->n_threads ? t->threads[i].pid : tid;
	bool known = read_registers(tid, &registers), last = is_last(t, tid, pid);

	if (i < t->n_threads)
		t->threads[i].ending = true;
	if (known && (last || registers.orig_rax != SYS_exit))
		keep_registers(t, pid, &registers);
	if (last && known)
		hold(t, tid, pid);
	else
		go_on(tid, 0);
}

/* ---- what happens --------------------------------------------------------------------------- */

static void on_new(struct exit_trace *t, pid_t tid, int event)
{
	unsigned long new = 0;
	size_t i = find(t, tid);

	if (i < t->n_threads && ptrace(PTRACE_GETEVENTMSG, tid, NULL, &new) == 0) {
		char path[64];
		pid_t pid = (pid_t) new;

		/* clone(2) makes both, threads and processes. */
		snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)t->threads[i].pid, (int)new);
		if (event == PTRACE_EVENT_CLONE && access(path, F_OK) == 0)
			pid = t->threads[i].pid;
		add_thread(t, (pid_t) new, pid);
	}
	go_on(tid, 0);
}

static void on_stop(struct exit_trace *t, pid_t tid, int status)
{
	int signal = WSTOPSIG(status), event = status >> 16;

	switch (event) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		on_new(t, tid, event);
		break;
	case PTRACE_EVENT_EXEC:
		begin_image(t, tid);
		go_on(tid, 0);
		break;
	case PTRACE_EVENT_EXIT:
		on_exit_stop(t, tid);
		break;
	case PTRACE_EVENT_STOP:
		/* By SIGSTOP and its kin: it stands still until SIGCONT, as without a tracer. */
		if (signal == SIGTRAP)
			go_on(tid, 0);
		else
			(void)ptrace(PTRACE_LISTEN, tid, NULL, NULL);
		break;
	default:
		go_on(tid, event ? 0 : signal);
	}
}

static void on_end(struct exit_trace *t, pid_t tid, int status)
{
	remove_thread(t, tid);
	if (tid == t->root) {
		t->ended = true;
		t->status = status;
	}
}

static void handle(struct exit_trace *t, pid_t tid, int status)
{
	if (WIFSTOPPED(status))
		on_stop(t, tid, status);
	else
		on_end(t, tid, status);
}

/* False: nothing has happened to it. */
static bool look_at(struct exit_trace *t, pid_t tid)
{
	int status;
	pid_t got;

	do
		got = waitpid(tid, &status, __WALL | WNOHANG);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == ECHILD) {
		remove_thread(t, tid);
		t->ended |= tid == t->root;
	}
	if (got > 0)
		handle(t, got, status);
	return got > 0;
}

/* One by one, since other children are none of its business. The root is waited for also when it
 * is no thread any more. */
void exit_trace_turn(struct exit_trace *t)
{
	bool again = t->root;

	while (again) {
		again = !t->ended && look_at(t, t->root);
		for (size_t i = 0; i < t->n_threads;) {
			pid_t tid = t->threads[i].tid;

			again |= look_at(t, tid);
			i += i < t->n_threads && t->threads[i].tid == tid;
		}
	}
}

void exit_trace_wait(struct exit_trace *t)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	exit_trace_open(t);
	for (exit_trace_turn(t); t->root && !t->ended; exit_trace_turn(t))
		nanosleep(&pause, NULL);
}

/* ---- the outside ---------------------------------------------------------------------------- */

int exit_trace_begin(struct exit_trace *t, pid_t child)
{
	if (ptrace(PTRACE_SEIZE, child, NULL, number(FOLLOW)) < 0)
		return -errno;
	t->root = child;
	add_thread(t, child, child);
	return 0;
}

const struct traced_thread *exit_trace_held(const struct exit_trace *t)
{
	return t->n_held ? t->held : NULL;
}

void exit_trace_let_go(struct exit_trace *t)
{
	struct traced_thread first = t->held[0];

	memmove(t->held, t->held + 1, --t->n_held * sizeof(*t->held));
	forget_registers(t, first.pid);
	go_on(first.tid, 0);
}

void exit_trace_open(struct exit_trace *t)
{
	t->open = true;
	while (t->n_held)
		exit_trace_let_go(t);
}

void exit_trace_free(struct exit_trace *t)
{
	exit_trace_open(t);
	free(t->threads);
	free(t->registers);
	free(t->held);
	*t = (struct exit_trace){0};
}
