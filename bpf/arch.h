/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arch.h - what the programs need to know about registers and code. Each architecture's file
 * defines
 *
 *     struct arch_regs         the registers as BPF sees them in a perf_event's context
 *     arch_regs_user(r)        were they taken in user mode?
 *     arch_regs_stepping(r)    is it executed in single steps?
 *     arch_regs_narrow(r)      does the program run with 32-bit pointers?
 *     arch_regs_ip/sp/fp(r)
 *     arch_register(r, number) by DWARF number
 *     arch_result(r)           of a function that has just returned
 *     arch_registers(to, r)    copies PROFD_REGISTERS registers in the order of DWARF numbers
 *     ARCH_DWARF_FP, _SP       those of frame and stack pointer
 *     arch_saved_regs(stack)   where on a task's kernel stack its user registers are kept
 *     ARCH_LONGEST             bytes of an instruction
 *     ARCH_USER_END            user addresses are below it
 *
 * and about code, which is read in pieces of ARCH_CODE bytes:
 *
 *     arch_frameless(code)     does the instruction at its start run before a function sets up
 *                              its frame, or after it took it down?
 *     arch_after_call(code)    does it end with a call?
 *     arch_call_target(code, behind)
 *                              where that call leads, `behind` being the address behind it;
 *                              0 if it is none or not a direct one
 */
#ifndef PROFD_BPF_ARCH_H
#define PROFD_BPF_ARCH_H

#if defined(__TARGET_ARCH_x86)
#include "arch_x86.h"
#else
#error "this architecture has no file yet"
#endif

#endif
