/* SPDX-License-Identifier: GPL-2.0-only */
/* task.h - who a task is: pids as the collector sees them, identity, cgroups. */
#ifndef PROFD_BPF_TASK_H
#define PROFD_BPF_TASK_H

#include "maps.h"

/* The current task, and a member of a task that it leads to. Where the kernel hands out a typed
 * pointer (5.11, 3ca1032ab7ab) a read is one load, instead of a call that checks the address. The
 * branch that is not taken never reaches the verifier: the flag is constant for it. */
static __always_inline struct task_struct *task_current(void)
{
	return profd_have_task_btf ? bpf_get_current_task_btf() : (void *)bpf_get_current_task();
}

#define TASK_READ(task, member) (profd_have_task_btf ? (task)->member : BPF_CORE_READ(task, member))

/* A task's pid in the collector's namespace, 0 if it is not visible there. A struct pid has one
 * number for each namespace from the initial one down to the task's own. */
static __always_inline __u32 task_namespaced_tid(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	if (!pid || BPF_CORE_READ(pid, level) < profd_pidns_level)
		return 0;
	struct upid *number = (void *)__builtin_preserve_access_index(&pid->numbers) +
			      profd_pidns_level * bpf_core_type_size(struct upid);
	if (BPF_CORE_READ(number, ns, ns.inum) != profd_pidns_inum)
		return 0;
	return BPF_CORE_READ(number, nr);
}

static __always_inline __u32 task_tid(struct task_struct *task)
{
	return profd_pidns_inum ? task_namespaced_tid(task) : (__u32)BPF_CORE_READ(task, pid);
}

static __always_inline __u32 task_pid(struct task_struct *task)
{
	if (!profd_pidns_inum)
		return BPF_CORE_READ(task, tgid);
	return task_namespaced_tid(BPF_CORE_READ(task, group_leader));
}

static __always_inline void task_identity(
	struct profd_identity *identity, __u32 pid, struct task_struct *leader)
{
	identity->pid = pid;
	identity->start_boottime = TASK_READ(leader, start_boottime);
	identity->exec_id = (__u32)TASK_READ(leader, self_exec_id);
}

static __always_inline struct cgroup *task_cgroup(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp);
}

/* The cgroup of v1's memory controller; NULL where that controller is not on a v1 hierarchy. */
static __always_inline struct cgroup *task_cgroup_v1(struct task_struct *task)
{
	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return NULL;
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *css = NULL;
	void *slot = (void *)__builtin_preserve_access_index(&set->subsys) +
		     bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) * sizeof(void *);
	bpf_probe_read_kernel(&css, sizeof(css), slot);
	struct cgroup *cgroup = BPF_CORE_READ(css, cgroup);
	if (BPF_CORE_READ(cgroup, root) == BPF_CORE_READ(set, dfl_cgrp, root))
		return NULL;
	return cgroup;
}

/* 0 for NULL: a read through a null pointer leaves zero. */
static __always_inline __u64 cgroup_id(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, kn, id);
}

#endif
