/* SPDX-License-Identifier: GPL-2.0-only */
/* filter.h - does a session want this task? Cheapest questions first. */
#ifndef PROFD_BPF_FILTER_H
#define PROFD_BPF_FILTER_H

#include "maps.h"
#include "task.h"

#define MAX_CGROUP_DEPTH 32

static __always_inline bool filter_target(__u32 slot, enum profd_target_kind kind, __u32 id)
{
	struct profd_target target = {.slot = slot, .kind = kind, .id = id};
	return bpf_map_lookup_elem(&profd_targets, &target);
}

/* Functions of their own, and loops that stay loops: seldom used, they need not burden the rest. */
static __noinline bool filter_comm(const struct profd_session *session, struct task_struct *task)
{
	char comm[PROFD_COMM_LEN] = {};

	BPF_CORE_READ_STR_INTO(&comm, task, comm);
#pragma clang loop unroll(disable)
	for (int i = 0; i < PROFD_COMM_LEN; i++) {
		if (comm[i] != session->comm[i])
			return false;
		if (!comm[i])
			break;
	}
	return true;
}

static __noinline bool filter_cgroup(const struct profd_session *session, struct task_struct *task)
{
	struct cgroup *cgroup = session->flags & PROFD_SESSION_CGROUP_V1 ? task_cgroup_v1(task)
									 : task_cgroup(task);

#pragma clang loop unroll(disable)
	for (int i = 0; i < MAX_CGROUP_DEPTH && cgroup; i++) {
		if (cgroup_id(cgroup) == session->cgroup)
			return true;
		cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
	}
	return false;
}

/* All three ids: who runs a set-user-id program may not look into it. */
static __always_inline bool filter_uid(
	const struct profd_session *session, struct task_struct *task)
{
	const struct cred *cred = BPF_CORE_READ(task, cred);

	return BPF_CORE_READ(cred, uid.val) == session->uid &&
	       BPF_CORE_READ(cred, euid.val) == session->uid &&
	       BPF_CORE_READ(cred, suid.val) == session->uid;
}

/* The collector and its helpers, which are its children. */
static __always_inline bool filter_is_self(struct task_struct *leader)
{
	return (__u32)BPF_CORE_READ(leader, tgid) == profd_self ||
	       (__u32)BPF_CORE_READ(leader, real_parent, tgid) == profd_self;
}

static __always_inline bool filter_accepts(const struct profd_session *session, __u32 slot,
	struct task_struct *task, struct task_struct *leader, __u32 pid, __u32 tid)
{
	__u32 flags = session->flags;

	if (!(flags & PROFD_SESSION_ACTIVE) || !pid)
		return false;
	if (flags & (PROFD_SESSION_BY_PID | PROFD_SESSION_BY_TID)) {
		bool by_pid = flags & PROFD_SESSION_BY_PID &&
			      filter_target(slot, PROFD_TARGET_PID, pid);
		if (!by_pid && !(flags & PROFD_SESSION_BY_TID &&
				       filter_target(slot, PROFD_TARGET_TID, tid)))
			return false;
	}
	if (flags & PROFD_SESSION_BY_UID && !filter_uid(session, task))
		return false;
	if (flags & PROFD_SESSION_NOT_SELF && filter_is_self(leader))
		return false;
	if (flags & PROFD_SESSION_BY_COMM && !filter_comm(session, task) &&
		!filter_comm(session, leader))
		return false;
	if (flags & PROFD_SESSION_BY_CGROUP && !filter_cgroup(session, task))
		return false;
	return true;
}

#endif
