/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cpu.bpf.c - the clock: one run for each tick of a session's perf event on a CPU that is not
 * idle, one record for each tick that the session's filter accepts.
 */
#include "filter.h"
#include "ring.h"
#include "scratch.h"
#include "unwind.h"

/* struct bpf_perf_event_data of UAPI. */
struct clock_context {
	struct arch_regs regs;
	__u64 sample_period;
	__u64 addr;
};

/* Kernel frames of a tick that hit the kernel: bpf_get_stack begins at the registers of ctx. */
static __always_inline __u32 kernel_frames(struct clock_context *ctx, __u64 *frames)
{
	long size = bpf_get_stack(ctx, frames, PROFD_MAX_KERNEL_FRAMES * sizeof(__u64), 0);

	if (size > 0)
		return (__u32)size / sizeof(__u64);
	frames[0] = arch_regs_ip(&ctx->regs);
	return 1;
}

/* Walks both stacks and returns the size of the sample. */
static __always_inline __u32 take_stacks(struct clock_context *ctx, struct scratch *scratch,
	__u32 key, const struct profd_session *session, struct task_struct *task,
	struct profd_cpu *state)
{
	struct profd_sample *sample = (void *)scratch->sample;
	struct unwind *u = &scratch->unwind;
	__u32 n_kernel = 0, miss = 0;
	__u8 flags = 0;

	if (!arch_regs_user(&ctx->regs) && !(session->flags & PROFD_SESSION_NO_KERNEL))
		n_kernel = kernel_frames(ctx, scratch->frames);
	u->first = n_kernel;
	if (unwind_begin(u, &ctx->regs, task))
		unwind_user(key);
	if (u->walk.missing && (profd_capture || miss_allowed(state, sample->head.time)))
		flags = PROFD_SAMPLE_MISSED;
	if ((flags && u->walk.missing == PROFD_MISSING_TRUST) || (profd_capture && u->n)) {
		flags |= PROFD_SAMPLE_CAPTURED;
		u->walk.frame = u->innermost;
	}
	if (flags) {
		miss = (__u32)unwind_miss(key);
		miss_registers(scratch, &ctx->regs);
	}
	sample->n_kernel = (__u16)n_kernel;
	sample->n_user = (__u16)u->n;
	sample->user_end = u->end;
	sample->way = u->way;
	sample->flags = flags;
	sample->mappings = u->mappings;
	sample->miss_size = miss;
	return sizeof(*sample) + ((n_kernel + u->n) & FRAMES_MASK) * sizeof(__u64) + miss;
}

static __always_inline bool emit_sample(__u32 cpu, struct profd_cpu *state,
	struct profd_sample *sample, struct profd_counters *counters, __u32 size)
{
	sample->head.size = size;
	sample->head.kind = PROFD_RECORD_SAMPLE;
	sample->head.cpu = (__u16)cpu;
	bool missed = sample->flags & PROFD_SAMPLE_MISSED;
	if (size > MAX_RECORD || !samples_put(cpu, state, sample, size, missed))
		return false;
	if (missed)
		counters->missed++;
	return true;
}

SEC("perf_event")
int profd_clock(struct clock_context *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct profd_cpu *state = bpf_map_lookup_elem(&profd_cpus, &cpu);
	if (!state)
		return 0;

	__u32 slot = ctx->sample_period & PROFD_SLOT_MASK;
	struct profd_counters *counters = &state->counters[slot];
	const struct profd_session *session = &profd_sessions[slot];
	struct task_struct *task = task_current();
	struct task_struct *leader = TASK_READ(task, group_leader);
	__u64 ids = bpf_get_current_pid_tgid();
	__u32 pid = ids >> 32, tid = (__u32)ids;
	if (profd_pidns_inum && pid) {
		pid = task_namespaced_tid(leader);
		tid = task_namespaced_tid(task);
		if (!pid)
			counters->invisible++;
	}
	if (!filter_accepts(session, slot, task, leader, pid, tid)) {
		counters->filtered++;
		return 0;
	}
	counters->taken++;
	unwind_touch_thread(pid, tid);
	samples_touch(cpu, state);

	__u32 scratch_key = 0;
	struct scratch *scratch = scratch_claim(cpu, state, &scratch_key);
	if (!scratch) {
		counters->lost_scratch++;
		return 0;
	}
	struct profd_sample *sample = (void *)scratch->sample;
	__u64 begin = bpf_ktime_get_ns();
	sample->head.time = begin;
	sample->tid = tid;
	sample->session = session->id;
	sample->allocation = 0;
	task_identity(&sample->process, pid, leader);
	__u32 size = take_stacks(ctx, scratch, scratch_key, session, task, state);
	if (emit_sample(cpu, state, sample, counters, size))
		counters->emitted++;
	else
		counters->lost_ring++;
	scratch_release(state, scratch_key);
	counters->spent += bpf_ktime_get_ns() - begin;
	return 0;
}

char LICENSE[] SEC("license") __weak = "GPL";
