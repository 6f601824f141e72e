/* SPDX-License-Identifier: MIT */
/*
 * exit_trace.h - holds each process of a command at its end, while its memory is still there, by
 * ptrace(2): whoever wants to look at it, looks and lets it go. All else that happens to the
 * processes goes on as if nobody traced them: signals, stops by them, new threads and processes.
 *
 * A thread that ends while others of its process live is let go at once, since somebody may wait
 * for it; what it had in its registers is kept if the process ends with it.
 */
#ifndef PROFD_CLI_EXIT_TRACE_H
#define PROFD_CLI_EXIT_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct traced_thread {
	pid_t tid, pid;
	bool ending; /* it was let go, and is to be reaped */
};

/* A thread's registers at its end. */
struct last_registers {
	pid_t pid;
	uint64_t stack; /* pointer */
	uint64_t words[32];
	size_t n_words;
};

/* Zero-initialised: nothing is traced. */
struct exit_trace {
	pid_t root;
	bool ended; /* the root has, with `status` of waitpid(2) */
	int status;
	bool open; /* nobody is held any more */
	struct traced_thread *threads;
	size_t n_threads, threads_capacity;
	struct last_registers *registers;
	size_t n_registers, registers_capacity;
	struct traced_thread *held; /* at their end, oldest first */
	size_t n_held, held_capacity;
	bool lost; /* out of memory: some may not have been held */
};

/* Traces a child from now on, with all that it starts. 0 or -errno. */
int exit_trace_begin(struct exit_trace *t, pid_t child);
/* Handles all that has happened; does not wait. */
void exit_trace_turn(struct exit_trace *t);
/* Waits until the root has ended; nobody is held any more. */
void exit_trace_wait(struct exit_trace *t);
/* The process that is held longest, by its last thread (whose memory is to be looked at: others may
 * have none any more); NULL: none. */
const struct traced_thread *exit_trace_held(const struct exit_trace *t);
/* Lets it go. */
void exit_trace_let_go(struct exit_trace *t);
/* All that are held, and who comes to an end from now on. */
void exit_trace_open(struct exit_trace *t);
void exit_trace_free(struct exit_trace *t);

#endif
