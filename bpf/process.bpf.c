/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * process.bpf.c - processes that come, go and move: fork, exec, exit, cgroups as they happen, and
 * an iterator over those that are there already. They also keep `targets` true: children of a
 * target join it, and whoever exits leaves it, so that a reused pid is not taken for the old one.
 */
#include "filter.h"
#include "ring.h"
#include "task.h"

/* Fills in all but head.time; false if the collector can not see the process. */
static __always_inline bool describe(struct profd_process_record *record, __u16 kind,
	struct task_struct *leader, struct task_struct *parent)
{
	__u32 pid = task_pid(leader);
	if (!pid)
		return false;
	record->head.size = sizeof(*record);
	record->head.kind = kind;
	task_identity(&record->process, pid, leader);
	record->parent = parent ? task_pid(parent) : 0;
	record->uid = BPF_CORE_READ(leader, cred, euid.val);
	record->cgroup = cgroup_id(task_cgroup(leader));
	record->cgroup_v1 = cgroup_id(task_cgroup_v1(leader));
	BPF_CORE_READ_STR_INTO(&record->comm, leader, comm);
	return true;
}

static __always_inline void emit(__u16 kind, struct task_struct *leader, struct task_struct *parent)
{
	struct profd_process_record record = {};
	__u32 cpu = bpf_get_smp_processor_id();
	struct profd_cpu *state = bpf_map_lookup_elem(&profd_cpus, &cpu);

	if (!state || !describe(&record, kind, leader, parent))
		return;
	record.head.time = bpf_ktime_get_ns();
	record.head.cpu = (__u16)cpu;
	/* A program that was just started may be gone, and deleted, before the next drain. */
	if (!ring_output(cpu, state, &record, sizeof(record), kind == PROFD_RECORD_EXEC))
		__sync_fetch_and_add(&profd_process_lost, 1);
}

static __always_inline void inherit_targets(struct task_struct *parent, struct task_struct *child)
{
	const __u32 wanted = PROFD_SESSION_ACTIVE | PROFD_SESSION_BY_PID | PROFD_SESSION_CHILDREN;
	__u32 value = 0;

	for (__u32 slot = 0; slot < PROFD_MAX_SESSIONS; slot++) {
		if ((profd_sessions[slot].flags & wanted) != wanted ||
			!filter_target(slot, PROFD_TARGET_PID, task_pid(parent)))
			continue;
		struct profd_target target = {
			.slot = slot, .kind = PROFD_TARGET_PID, .id = task_pid(child)};
		if (target.id && bpf_map_update_elem(&profd_targets, &target, &value, BPF_ANY))
			__sync_fetch_and_add(&profd_targets_full, 1);
	}
}

static __always_inline void drop_targets(struct task_struct *task, bool last)
{
	for (__u32 slot = 0; slot < PROFD_MAX_SESSIONS; slot++) {
		__u32 flags = profd_sessions[slot].flags;
		struct profd_target target = {.slot = slot};
		if (flags & PROFD_SESSION_BY_TID) {
			target.kind = PROFD_TARGET_TID;
			target.id = task_tid(task);
			bpf_map_delete_elem(&profd_targets, &target);
		}
		if (flags & PROFD_SESSION_BY_PID && last) {
			target.kind = PROFD_TARGET_PID;
			target.id = task_pid(task);
			bpf_map_delete_elem(&profd_targets, &target);
		}
	}
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(profd_fork, struct task_struct *parent, struct task_struct *child)
{
	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0; /* a thread */
	inherit_targets(parent, child);
	emit(PROFD_RECORD_FORK, child, parent);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(profd_exec, struct task_struct *task)
{
	emit(PROFD_RECORD_EXEC, task, NULL);
	return 0;
}

/* The kernel counts a thread out of signal->live before it comes here. Two last threads that
 * exit together can both find zero: an exit may be told twice. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(profd_exit, struct task_struct *task)
{
	bool last = BPF_CORE_READ(task, signal, live.counter) == 0;

	drop_targets(task, last);
	if (last)
		emit(PROFD_RECORD_EXIT, TASK_READ(task, group_leader), NULL);
	return 0;
}

/* Source: cgroup_attach_task(), kernel/cgroup/cgroup.c: the move is done. */
SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(profd_cgroup, struct cgroup *to, const char *path, struct task_struct *task)
{
	emit(PROFD_RECORD_CGROUP, TASK_READ(task, group_leader), NULL);
	return 0;
}

/* Runs in the collector, which thereby learns who it is itself. */
SEC("iter/task")
int profd_each_process(struct bpf_iter__task *ctx)
{
	struct profd_process_record record = {};
	struct task_struct *task = ctx->task;
	struct task_struct *self = (void *)bpf_get_current_task();

	profd_self = BPF_CORE_READ(self, tgid);
	profd_pidns_level = BPF_CORE_READ(self, thread_pid, level);
	if (!task || BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid))
		return 0;
	if (!describe(&record, PROFD_RECORD_FORK, task, BPF_CORE_READ(task, real_parent)))
		return 0;
	record.head.time = bpf_ktime_get_ns();
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") __weak = "GPL";
