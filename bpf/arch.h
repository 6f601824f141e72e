/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arch.h - what the programs need to know about registers and code. Each architecture's file
 * defines
 *
 *     struct arch_regs           the registers as BPF sees them in a perf_event's context
 *     arch_regs_user(r)          were they taken in user mode?
 *     arch_regs_narrow(r)        does the program run with 32-bit pointers?
 *     arch_regs_ip/sp/fp(r)
 *     arch_saved_regs(stack)     where the kernel keeps a task's user registers: address, given
 * task_struct.stack ARCH_USER_END              user addresses are below it arch_unframed(code) the
 * instruction at the program counter (4 bytes): if it runs before a function has set up its frame
 * or after it took it down, where from sp the return address lies, else ARCH_FRAMED
 *     arch_after_call(code)      do these 8 bytes end with a call?
 */
#ifndef PROFD_BPF_ARCH_H
#define PROFD_BPF_ARCH_H

#if defined(__TARGET_ARCH_x86)
#include "arch_x86.h"
#else
#error "this architecture has no file yet"
#endif

#endif
