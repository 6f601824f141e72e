/* SPDX-License-Identifier: MIT */
/*
 * sessions.h - profiling sessions and their ledger: the continuous profile and each recording have
 * their own filter (decided in the kernel) and their own books; those of type cpu also their own
 * perf events on every CPU and their own rate.
 *
 * The ledger (DESIGN, promise 2):
 *     ticks = idle + filtered + taken
 *     taken = written + pending + sum of lost[]
 * ticks is measured outside BPF, as the growth of each event's own count divided by its period;
 * without a clock it is the number of events that the programs saw, and idle is 0.
 */
#ifndef PROFD_COLLECTOR_SESSIONS_H
#define PROFD_COLLECTOR_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profd/abi.h"

struct bpf_host;
struct sessions;

enum clock_choice { CLOCK_AUTO, CLOCK_CPU_CLOCK, CLOCK_CYCLES };

/* Reasons for a lost sample; session_lost_name() gives the key in status --json. */
enum session_lost {
	LOST_CLOCK,   /* the tick never reached the program (overrun, steal, BPF busy) */
	LOST_SCRATCH, /* no per-CPU scratch was free */
	LOST_RING,    /* the ring was full */
	LOST_RECORD,  /* the record was malformed, or no ring ever delivered it */
	LOST_WINDOW,  /* the window was full */
	LOST_STORE,   /* the file could not be written */
	LOST_COUNT,
};
const char *session_lost_name(enum session_lost reason);

struct ledger {
	uint64_t ticks, idle, filtered, taken, written, pending;
	uint64_t lost[LOST_COUNT];
	uint64_t invisible; /* part of filtered: outside our pid namespace */
	uint64_t spent;	    /* ns that the programs took for what they took */
	uint64_t stacks[PROFD_WAY_COUNT][PROFD_END_COUNT]; /* user stacks, once they are whole */
};
/* a += b, for the totals over sessions. */
void ledger_add(struct ledger *a, const struct ledger *b);

enum session_kind { SESSION_CONTINUOUS, SESSION_RECORDING };

/* What is sampled. session_type_name() is the profile's type in the store and in status. */
enum session_type { SESSION_CPU, SESSION_HEAP, SESSION_TYPES };
const char *session_type_name(enum session_type type);
/* SESSION_TYPES: there is none of that name. */
enum session_type session_type_named(const char *name);

/* What a session is to watch; all zero: the whole host. Copied by sessions_start. */
struct session_filter {
	const uint32_t *pids;
	size_t n_pids;
	const uint32_t *tids;
	size_t n_tids;
	bool children;
	const char *comm;   /* NULL: any */
	const char *cgroup; /* the path as the user gave it (for status), NULL: any */
	const char *watch;  /* what watch= names (for status): whoever attaches probes decides */
	uint64_t cgroup_id;
	bool cgroup_is_v1;
	bool by_uid;
	uint32_t uid;
	bool no_kernel;
};

struct session_config {
	enum session_kind kind;
	enum session_type type;
	unsigned frequency; /* SESSION_CPU: Hz, 1..1000 */
	enum clock_choice clock;
	uint64_t sample_bytes; /* SESSION_HEAP: mean bytes between samples */
	struct session_filter filter;
	bool exclude_self; /* not the collector and its helpers: their ticks count as filtered */
};

struct session;

int sessions_new(struct sessions **out, struct bpf_host *bpf);
void sessions_free(struct sessions *s);

/* Opens and enables the events, ordered so that no tick comes before the filter is in place.
 * Returns 0 or -errno with a line in `why`: -EBUSY when all PROFD_MAX_SESSIONS are taken. */
int sessions_start(struct sessions *s, const struct session_config *config, struct session **out,
	char *why, size_t why_size);
/* Disables the events and freezes ticks, idle and the BPF counters. Records of the session can
 * still be in the rings: drain, then call session_release. */
void session_stop(struct session *session);
/* Frees the slot; its ledger is added to the totals of ended sessions. */
void session_release(struct session *session);

/* Opens events on CPUs that came online. 0 or -errno. */
int sessions_sync_cpus(struct sessions *s);

uint32_t session_id(const struct session *session);
enum session_kind session_kind(const struct session *session);
enum session_type session_type(const struct session *session);
/* Which of the sessions that the programs know, below PROFD_MAX_SESSIONS. */
unsigned session_slot(const struct session *session);
unsigned session_frequency(const struct session *session);
uint64_t session_sample_bytes(const struct session *session);
/* "cpu-clock" or "cycles": what auto became; "" without a clock. */
const char *session_clock(const struct session *session);
/* Nanoseconds that one sample stands for: the event's period; with cycles, by the measured
 * cycles per second of busy time. Only of sessions with a clock. */
uint64_t session_period_ns(const struct session *session);
/* One line for status and for a file's comments, such as "pid 12,13 and children". */
const char *session_filter_text(const struct session *session);

/* The books, called by whoever handles a sample after the ring. */
void session_count_read(struct session *session); /* read from a ring */
void session_count_stack(
	struct session *session, enum profd_unwind_way way, enum profd_unwind_end end);
void session_count_lost(struct session *session, enum session_lost reason, uint64_t n);
void session_count_written(struct session *session, uint64_t n);

/* One consistent snapshot in which both equations hold exactly. */
void session_ledger(struct session *session, struct ledger *out);
/* Sum over all sessions since start, also those that ended. */
void sessions_ledger(struct sessions *s, struct ledger *out);

#endif
