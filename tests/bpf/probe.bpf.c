/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probe.bpf.c - a uprobe whose program walks the stack with the maps of a profd that runs (see
 * probe.c), as programs of that profd would.
 */
#include "task.h"
#include "unwind_probe.h"

#include "probe.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} probe_ring SEC(".maps");

struct probe_counts probe_counts;
const volatile __u32 probe_pid = 0; /* the process that is looked at */

static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static __always_inline void emit_stack(struct scratch *scratch)
{
	struct profd_sample *sample = (void *)scratch->sample;
	const struct unwind *u = &scratch->unwind;
	__u32 size = sizeof(*sample) + (u->n & FRAMES_MASK) * sizeof(__u64);

	sample->head.size = size;
	sample->n_kernel = 0;
	sample->n_user = (__u16)u->n;
	sample->user_end = u->end;
	sample->way = u->way;
	sample->session = u->walk.missing;
	/* The reader looks by itself: waking it would cost more than the walk. */
	count(bpf_ringbuf_output(&probe_ring, sample, size, BPF_RB_NO_WAKEUP)
			? &probe_counts.lost_ring
			: &probe_counts.records);
}

SEC("uprobe")
int probe_hit(struct arch_regs *regs)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	__u32 key = 0;

	/* The process lives in the namespace of profd. */
	if (profd_pidns_inum)
		profd_pidns_level = BPF_CORE_READ(task, thread_pid, level);
	if (task_tid(leader) != probe_pid)
		return 0;
	count(&probe_counts.hits);
	struct scratch *scratch = probe_claim(regs, &profd_probe_tail, &key);
	if (!scratch) {
		count(&probe_counts.lost_scratch);
		return 0;
	}
	if (key != profd_probe_first + bpf_get_smp_processor_id() * PROFD_PROBE_SCRATCHES)
		count(&probe_counts.collisions);
	struct profd_sample *sample = (void *)scratch->sample;
	sample->head.time = bpf_ktime_get_ns();
	sample->tid = task_tid(task);
	task_identity(&sample->process, probe_pid, leader);
	probe_walk(scratch, key, regs, PROBE_ENTERED);
	emit_stack(scratch);
	probe_release(scratch);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
