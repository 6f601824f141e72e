/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * heap_listener.bpf.c - programs on the probes of libprofd-heap.so. They take the arguments from
 * the registers of a call, and not from what the probe's note says of it.
 */
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

#include "arch_x86.h"
#include "heap_listener.h"

struct bpf_pidns_info {
	__u32 pid, tgid;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} heap_events SEC(".maps");

__u64 heap_dropped;
/* The namespace whose pids are meant. */
const volatile __u64 heap_ns_dev = 0, heap_ns_inode = 0;

static __always_inline int emit(enum heap_probe probe, const struct arch_regs *regs)
{
	struct heap_event event = {.probe = probe, .arguments = {regs->di, regs->si, regs->dx}};
	struct bpf_pidns_info ids = {};

	bpf_get_ns_current_pid_tgid(heap_ns_dev, heap_ns_inode, &ids, sizeof(ids));
	event.pid = ids.tgid;
	event.tid = ids.pid;
	if (bpf_ringbuf_output(&heap_events, &event, sizeof(event), 0))
		__sync_fetch_and_add(&heap_dropped, 1);
	return 0;
}

SEC("uprobe")
int heap_alloc(struct arch_regs *regs)
{
	return emit(HEAP_ALLOC, regs);
}

SEC("uprobe")
int heap_free(struct arch_regs *regs)
{
	return emit(HEAP_FREE, regs);
}

SEC("uprobe")
int heap_lost(struct arch_regs *regs)
{
	return emit(HEAP_LOST, regs);
}

char LICENSE[] SEC("license") = "GPL";
