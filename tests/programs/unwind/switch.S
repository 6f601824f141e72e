/* SPDX-License-Identifier: MIT */
/* Stacks that are changed by hand, for coroutines.c; the CFI says how to come back. */

	.text

/* switch_to(void **save_sp, void *sp): leaves one stack, goes on with another. */
	.globl switch_to
	.type switch_to, @function
switch_to:
	.cfi_startproc
	.irp reg, rbx, rbp, r12, r13, r14, r15
	push %\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
	.endr
	mov %rsp, (%rdi)
	mov %rsi, %rsp
	.irp reg, r15, r14, r13, r12, rbp, rbx
	pop %\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
	.endr
	ret
	.cfi_endproc
	.size switch_to, . - switch_to

/* on_stack(void (*function)(void), void *top): calls it on that stack and returns. */
	.globl on_stack
	.type on_stack, @function
on_stack:
	.cfi_startproc
	push %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	mov %rsp, %rbp
	.cfi_def_cfa_register rbp
	mov %rsi, %rsp
	call *%rdi
	mov %rbp, %rsp
	.cfi_def_cfa_register rsp
	pop %rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size on_stack, . - on_stack

	.section .note.GNU-stack, "", @progbits
