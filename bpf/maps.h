/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * maps.h - maps and variables that the programs share. They are weak because each object defines
 * them and the linker keeps one.
 *
 * The collector reads and writes all but `targets` through mmap: every map operation by system
 * call raises bpf_prog_active for its time, and a clock tick that falls into it is dropped
 * (kernel/events/core.c, bpf_overflow_handler).
 */
#ifndef PROFD_BPF_MAPS_H
#define PROFD_BPF_MAPS_H

#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "profd/abi.h"
#include "profd/tables.h"
#include "unwind_rules.h"
#include "unwind_state.h"

/* Where CPUs are counted, the collector sets max_entries to the number of possible CPUs. */

/* Rings are created by the collector for the CPUs that are online; behind them is the one of heap
 * sessions, while there are any. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} profd_rings __weak SEC(".maps");

struct profd_samples_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32)); /* no types: an inner map has no BTF */
	__uint(value_size, sizeof(struct profd_samples));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct profd_samples_map);
} profd_sample_rings __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct profd_cpu);
} profd_cpus __weak SEC(".maps");

/* What is in use of a heap session's samples, by its slot; of those that sample here only. */
struct profd_live_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct profd_live));
	__uint(value_size, sizeof(__u32));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, PROFD_MAX_SESSIONS);
	__type(key, __u32);
	__array(values, struct profd_live_map);
} profd_lives __weak SEC(".maps");

struct profd_live_filter_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32)); /* no types: an inner map has no BTF */
	__uint(value_size, sizeof(struct profd_live_filter));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, PROFD_MAX_SESSIONS);
	__type(key, __u32);
	__array(values, struct profd_live_filter_map);
} profd_live_filters __weak SEC(".maps");

/* Preallocated: look-ups from interrupts must not meet an allocator (required until 6.1). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROFD_MAX_TARGETS);
	__type(key, struct profd_target);
	__type(value, __u32);
} profd_targets __weak SEC(".maps");

/* ---- unwind tables (profd/tables.h) ------------------------------------------------------ */

/* Chunks of blocks. Inner maps have one element; the collector adds them by need. */
struct profd_chunk_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32)); /* no types: an inner map has no BTF */
	__uint(value_size, TABLES_CHUNK_BYTES);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TABLES_MAX_CHUNKS);
	__type(key, __u32);
	__array(values, struct profd_chunk_map);
} profd_tables __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TABLES_DIRECTORY);
	__type(key, __u32);
	__type(value, struct tables_entry);
} profd_directory __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TABLES_MAPS);
	__type(key, __u32);
	__type(value, struct tables_map);
} profd_maps __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TABLES_SPACES);
	__type(key, __u32);
	__type(value, struct tables_space);
} profd_spaces __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RULES);
	__type(key, __u32);
	__type(value, struct known_rule);
} profd_rules __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MEMO_THREADS);
	__type(key, __u32);
	__type(value, struct memo);
} profd_memos __weak SEC(".maps");

/* ---- the programs' own ------------------------------------------------------------------- */

struct profd_session profd_sessions[PROFD_MAX_SESSIONS] __weak;
struct profd_heap profd_heaps[PROFD_MAX_SESSIONS] __weak;
struct profd_probe profd_probes[PROFD_PROBES] __weak;
/* Process records that no ring took. */
__u64 profd_process_lost __weak;
/* Forks of targets that no longer fitted into `targets`. */
__u64 profd_targets_full __weak;
/* The collector itself: its process in the initial namespace, and the depth of its own. Written
 * by the iterator program, which runs in the collector's context. */
__u32 profd_self __weak;
__u32 profd_pidns_level __weak;

/* enum profd_unwind_mode; may change at any time. */
__u32 profd_unwind_mode __weak;

/* Set before loading. */
const volatile bool profd_capture __weak = false;    /* every sample carries its stack */
const volatile __u64 profd_miss_interval __weak = 0; /* ns between misses of a CPU, on average */
const volatile __u32 profd_pidns_inum __weak = 0;    /* 0: the initial namespace */
const volatile __u32 profd_ring_quarter __weak = 0;  /* bytes */
const volatile __u32 profd_heap_ring __weak = 0;     /* where it is in profd_rings */
const volatile __u32 profd_heap_ring_quarter __weak = 0; /* bytes */
const volatile bool profd_have_cookies __weak = false;
const volatile bool profd_have_task_btf __weak = false;
const volatile bool profd_have_task_pt_regs __weak = false;

#endif
