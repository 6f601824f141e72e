/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel_types.h - the kernel's types that the programs here read, with only the members that
 * they read. Offsets are relocated when the object is loaded (CO-RE), so neither order nor
 * completeness matters, and building needs no BTF.
 *
 * The constants at the end are UAPI (linux/bpf.h): fixed numbers, written out because a BPF target
 * has no asm/types.h of its own.
 */
#ifndef PROFD_BPF_KERNEL_TYPES_H
#define PROFD_BPF_KERNEL_TYPES_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1]; /* level + 1 of them */
};

typedef struct {
	unsigned int val;
} kuid_t;

struct cred {
	kuid_t uid, suid, euid;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live; /* threads that have not exited */
};

struct kernfs_node {
	__u64 id;
};

struct cgroup;
struct cgroup_root;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1]; /* by enum cgroup_subsys_id */
	struct cgroup *dfl_cgrp;
};

struct xol_area {
	unsigned long
		vaddr; /* where it is mapped; where functions return to that have return probes */
};

struct uprobes_state {
	struct xol_area *xol_area; /* NULL: nothing was needed there yet */
};

struct mm_struct {
	struct uprobes_state uprobes_state;
	unsigned long start_code;  /* 0 while an exec builds it */
	unsigned long start_stack; /* where the main thread's began; arguments are above */
};

struct uprobe_task {
	unsigned long xol_vaddr; /* where the thread executes a probed instruction out of line */
	unsigned long vaddr;	 /* of that instruction */
};

struct task_struct {
	void *stack;
	struct uprobe_task *utask;
	unsigned int flags;
	int pid, tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct mm_struct *mm;
	struct pid *thread_pid;
	__u64 start_boottime;
	__u64 self_exec_id;
	const struct cred *cred;
	struct signal_struct *signal;
	struct css_set *cgroups;
	char comm[16];
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

/* The number differs between configurations: relocated. */
enum cgroup_subsys_id { memory_cgrp_id };

/* include/linux/sched.h; PF_IO_WORKER since 5.12 (3bfe6106693b), unused before. */
#define PF_IO_WORKER 0x00000010
#define PF_KTHREAD   0x00200000

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum { BPF_F_MMAPABLE = 1U << 10 };

enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };

#define EEXIST 17

enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };

enum { BPF_RB_AVAIL_DATA = 0 };

#endif
