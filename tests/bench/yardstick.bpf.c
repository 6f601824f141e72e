/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * yardstick.bpf.c - programs on a clock that do one thing each, of which profilers are made. What
 * they cost on two machines says how to compare what profilers cost there (peers.tsv).
 */
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "arch.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

SEC("perf_event")
int yard_entry(void *context)
{
	return 0;
}

SEC("perf_event")
int yard_comm(void *context)
{
	char comm[16];

	bpf_get_current_comm(comm, sizeof(comm));
	return 0;
}

SEC("perf_event")
int yard_lookup(void *context)
{
	__u64 key = bpf_get_prandom_u32() % 65536;

	bpf_map_lookup_elem(&table, &key);
	return 0;
}

/* Nobody reads them: the ring is full after 2,000 records unless who loads this empties it. */
SEC("perf_event")
int yard_record(void *context)
{
	__u64 *record = bpf_ringbuf_reserve(&ring, 512, 0);

	if (!record)
		return 0;
	record[0] = 1;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

/* A word of the stack. */
SEC("perf_event")
int yard_read(struct arch_regs *regs)
{
	__u64 word;

	if (arch_regs_user(regs))
		bpf_probe_read_user(&word, sizeof(word), (void *)arch_regs_sp(regs));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
