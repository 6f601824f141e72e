/* SPDX-License-Identifier: MIT */
/*
 * bpf_host.h - the BPF object: loaded once, its rings, its mmapped maps, its process programs.
 */
#ifndef PROFD_COLLECTOR_BPF_HOST_H
#define PROFD_COLLECTOR_BPF_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/uprobes.h"
#include "profd/abi.h"

struct bpf_host;
struct counts;
struct heap_live;
struct table_memory;

/* What this kernel can and cannot do, found by trying (DESIGN 9). */
struct bpf_features {
	bool task_btf;		    /* bpf_get_current_task_btf, 5.11 */
	bool task_pt_regs;	    /* bpf_task_pt_regs, 5.15 */
	bool cookies;		    /* bpf_get_attach_cookie, 5.15 */
	enum uprobe_way uprobe_way; /* the best there is */
	/* What a hit costs without a program to speak of; 0: unknown. */
	uint64_t uprobe_ns;
	unsigned ret_hits;   /* so many hits does one of a ret cost */
	bool hardware_clock; /* PERF_COUNT_HW_CPU_CYCLES can be opened */
	int perf_event_paranoid;
	bool nested_pidns; /* the collector runs in a pid namespace below the initial one */
};

/* Loads and attaches everything but the clocks, with a ring of `ring_bytes` (rounded up to a
 * power of two) for each CPU. capture: every sample is to carry its stack. On failure returns
 * -errno and writes one line that says what failed, why and what to do next into `why` (always
 * NUL-terminated). */
int bpf_host_open(
	struct bpf_host **out, size_t ring_bytes, bool capture, char *why, size_t why_size);
void bpf_host_close(struct bpf_host *b);

const struct bpf_features *bpf_host_features(const struct bpf_host *b);

/* The program for a session's clock events; owned by the host. */
int bpf_host_clock_program(const struct bpf_host *b);
/* Mmapped: PROFD_MAX_SESSIONS entries. */
struct profd_session *bpf_host_sessions(struct bpf_host *b);
/* The same, for sessions of type heap. */
struct profd_heap *bpf_host_heaps(const struct bpf_host *b);
/* What the programs count; the host's. */
struct counts *bpf_host_counts(const struct bpf_host *b);
/* Mmapped: PROFD_PROBES entries. */
struct profd_probe *bpf_host_probes(struct bpf_host *b);
/* The programs for probes of heap sessions; owned by the host. In the order in which they are to be
 * attached: what is allocated is not missed when it is freed. */
enum probe_program {
	PROBE_USDT_FREE,
	PROBE_USDT_ALLOC,
	PROBE_FREE,
	PROBE_RETURN, /* not with UPROBE_SESSION, whose entries are both */
	PROBE_ENTER,
	/* Of functions that may throw: on their rets and entries if the rets are known, else on the
	 * entries only. */
	PROBE_RET,
	PROBE_FOLLOW,
	PROBE_BEGIN,
	PROBE_PROGRAMS,
};
/* -1: this kernel cannot have it, since it has no attach cookies. */
int bpf_host_probe_program(const struct bpf_host *b, enum probe_program which);
/* heap_live_open() and heap_live_close(), counted in bpf_host_map_bytes(). */
int bpf_host_open_live(struct bpf_host *b, unsigned slot, uint32_t n);
void bpf_host_close_live(struct bpf_host *b, unsigned slot);
struct heap_live *bpf_host_live(struct bpf_host *b);
/* The ring of heap sessions, HEAP_RING_BYTES, is there while anybody holds it. 0 or -errno. */
int bpf_host_hold_heap_ring(struct bpf_host *b);
void bpf_host_release_heap_ring(struct bpf_host *b);
/* The memory of unwind tables and mappings; the host's. */
struct table_memory *bpf_host_tables(struct bpf_host *b);
void bpf_host_set_unwind(struct bpf_host *b, enum profd_unwind_mode mode);
/* Process records that no ring took, since start: the process table has to be read again. */
uint64_t bpf_host_process_lost(const struct bpf_host *b);
/* Forks of targets that were not followed because the map `targets` was full, since start. */
uint64_t bpf_host_targets_full(const struct bpf_host *b);
/* Adds or removes an entry of the map `targets`. 0 or -errno (-E2BIG: the map is full). */
int bpf_host_add_target(
	struct bpf_host *b, unsigned slot, enum profd_target_kind kind, uint32_t id);
/* Removes all entries of a slot. */
void bpf_host_clear_targets(struct bpf_host *b, unsigned slot);

/* An epoll descriptor that is readable when a ring is a quarter full, or soon after an exec. */
int bpf_host_fd(const struct bpf_host *b);
/* Reads all rings, without a system call where they are empty. The pointer is valid during the
 * call only; `size` is what the ring says, head.size inside has not been checked. 0 or -errno. */
int bpf_host_read(struct bpf_host *b,
	void (*handler)(void *userdata, const struct profd_record_head *head, size_t size),
	void *userdata);
/* Rings for CPUs that came online. 0 or -errno. */
int bpf_host_sync_cpus(struct bpf_host *b);

/* Every process there is, through a BPF task iterator: one FORK-shaped record each (parent set),
 * time = when it was read. Returns the number or -errno. */
int bpf_host_each_process(struct bpf_host *b,
	void (*handler)(void *userdata, const struct profd_process_record *record), void *userdata);

/* Bytes of kernel memory of all maps. */
uint64_t bpf_host_map_bytes(const struct bpf_host *b);

#endif
