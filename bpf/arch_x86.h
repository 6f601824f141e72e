/* SPDX-License-Identifier: GPL-2.0-only */
/* arch_x86.h - see arch.h. */
#ifndef PROFD_BPF_ARCH_X86_H
#define PROFD_BPF_ARCH_X86_H

/* UAPI layout of struct pt_regs. Not CO-RE: a context must be read in 8-byte loads at fixed
 * offsets, whereas the kernel's own cs became 2 bytes wide in 6.9 (ee63291aa828). */
struct arch_regs {
	__u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax;
	__u64 ip, cs, flags, sp, ss;
};

/* Selectors: requested privilege level in the low two bits (3 is user); 0x23 is the flat 32-bit
 * code segment (__USER32_CS). Bits above 16 hold other things with FRED. */
#define arch_regs_user(r)     (((r)->cs & 3) == 3)
#define arch_regs_narrow(r)   (((r)->cs & 0xffff) == 0x23)
#define arch_regs_stepping(r) ((r)->flags & 0x100) /* the trap flag */
#define arch_regs_ip(r)	      ((r)->ip)
#define arch_regs_sp(r)	      ((r)->sp)
#define arch_regs_fp(r)	      ((r)->bp)

/* Of a function (System V ABI, AMD64). */
#define arch_result(r) ((r)->ax)
/* What a function is given. */
#define arch_first_argument(r)	((r)->di)
#define arch_second_argument(r) ((r)->si)
#define arch_fourth_argument(r) ((r)->cx)

/* Of a context, which has to be read at fixed offsets: loads stay apart. Arguments of functions,
 * and the registers that those are moved to first, come first. */
static __always_inline __u64 arch_register(const struct arch_regs *r, __u32 number)
{
	__u64 value = 0;

#define ARCH_REGISTER(n, member)                    \
	if (number == (n)) {                        \
		value = r->member;                  \
		__asm__ volatile("" : "+r"(value)); \
	} else
	ARCH_REGISTER(5, di)
	ARCH_REGISTER(4, si)
	ARCH_REGISTER(1, dx)
	ARCH_REGISTER(0, ax)
	ARCH_REGISTER(2, cx)
	ARCH_REGISTER(3, bx)
	ARCH_REGISTER(6, bp)
	ARCH_REGISTER(8, r8)
	ARCH_REGISTER(9, r9)
	ARCH_REGISTER(10, r10)
	ARCH_REGISTER(11, r11)
	ARCH_REGISTER(12, r12)
	ARCH_REGISTER(13, r13)
	ARCH_REGISTER(14, r14)
	ARCH_REGISTER(15, r15)
	value = 0;
#undef ARCH_REGISTER
	return value;
}

#define ARCH_DWARF_FP 6
#define ARCH_DWARF_SP 7

/* By DWARF number (System V ABI, AMD64 supplement, figure 3.36). */
static __always_inline void arch_registers(__u64 *to, const struct arch_regs *r)
{
	to[0] = r->ax;
	to[1] = r->dx;
	to[2] = r->cx;
	to[3] = r->bx;
	to[4] = r->si;
	to[5] = r->di;
	to[6] = r->bp;
	to[7] = r->sp;
	to[8] = r->r8;
	to[9] = r->r9;
	to[10] = r->r10;
	to[11] = r->r11;
	to[12] = r->r12;
	to[13] = r->r13;
	to[14] = r->r14;
	to[15] = r->r15;
}

#define ARCH_LONGEST 15

/* With 5-level page tables; with 4 levels 47 bits are in use. */
#define ARCH_USER_END (1ULL << 56)

/* They are the topmost thing on the kernel stack of 16 KiB (THREAD_SIZE without KASAN). Only for
 * kernels without bpf_task_pt_regs, that is before 5.15; the padding above them came with FRED
 * in 6.9. */
#define ARCH_THREAD_SIZE (16 * 1024)
static __always_inline __u64 arch_saved_regs(const void *stack)
{
	return (__u64)stack + ARCH_THREAD_SIZE - sizeof(struct arch_regs);
}

#define ARCH_CODE 8 /* the longest call has 7 bytes */

/* push %rbp; ret; endbr64 */
static __always_inline bool arch_frameless(const __u8 code[ARCH_CODE])
{
	return code[0] == 0x55 || code[0] == 0xc3 ||
	       (code[0] == 0xf3 && code[1] == 0x0f && code[2] == 0x1e && code[3] == 0xfa);
}

/* call rel32 */
static __always_inline __u64 arch_call_target(const __u8 code[ARCH_CODE], __u64 behind)
{
	__u32 relative = code[4] | code[5] << 8 | code[6] << 16 | (__u32)code[7] << 24;

	return code[3] == 0xe8 ? behind + (__s64)(__s32)relative : 0;
}

/* call rel32, or call through a register or memory: ff /2 with its ModRM byte, which a SIB byte
 * and a displacement may follow. */
static __always_inline bool arch_after_call(const __u8 code[ARCH_CODE])
{
#define CALL_AT(i) (code[i] == 0xff && (code[(i) + 1] >> 3 & 7) == 2)
	return code[3] == 0xe8 || CALL_AT(6) || CALL_AT(5) || CALL_AT(4) || CALL_AT(2) ||
	       CALL_AT(1);
#undef CALL_AT
}

#endif
