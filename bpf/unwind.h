/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unwind.h - walks a user stack. Which unwinder does it is decided here and nowhere else: each
 * offers
 *
 *     int unwind_user(__u32 key)
 *
 * which takes the registers from `unwind` of scratch entry `key`, writes at most
 * PROFD_MAX_USER_FRAMES frames into its sample, innermost first, behind the `first` that are there,
 * returns how many, and leaves in unwind.end why it stopped. It is a global function, so that the
 * verifier goes through it once for itself and not once for each state of the caller, and all that
 * it needs lies in map memory: on the program's stack it would cost a hundred times as many steps.
 */
#ifndef PROFD_BPF_UNWIND_H
#define PROFD_BPF_UNWIND_H

#include "arch.h"
#include "scratch.h"

#include "unwind_fp.h"

static __always_inline void unwind_start(struct unwind *u, const struct arch_regs *regs)
{
	u->ip = arch_regs_ip(regs);
	u->sp = arch_regs_sp(regs);
	u->fp = arch_regs_fp(regs);
	u->narrow = arch_regs_narrow(regs);
}

/* Sets up u for the current task, whose registers in `regs` may be the kernel's. False: there is
 * no user stack. (The context's registers are taken in any case: two kinds of pointers in one
 * merged load do not pass the verifier.) */
static __always_inline bool unwind_begin(
	struct unwind *u, const struct arch_regs *regs, struct task_struct *task)
{
	unwind_start(u, regs);
	if (arch_regs_user(regs))
		return true;
	u->end = PROFD_END_NO_USER;
	if (BPF_CORE_READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER) || !BPF_CORE_READ(task, mm))
		return false;

	struct arch_regs saved = {};
	const void *at;
	if (profd_have_task_pt_regs)
		at = (const void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	else
		at = (const void *)arch_saved_regs(BPF_CORE_READ(task, stack));
	if (bpf_probe_read_kernel(&saved, sizeof(saved), at) || !arch_regs_user(&saved))
		return false;
	unwind_start(u, &saved);
	return true;
}

#endif
