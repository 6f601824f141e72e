/* SPDX-License-Identifier: MIT */
/* Functions as people write them by hand: for assembly.c. */

	.macro function name
	.globl \name
	.type \name, @function
\name:
	.endm

	.macro finish name
	.size \name, . - \name
	/* What lies between functions is nobody's. */
	.balign 64, 0xcc
	.endm

	.macro loop_rdi
9:	dec %rdi
	jnz 9b
	.endm

	.text
	.balign 64

/* With CFI. void leaf_with_cfi(uint64_t steps) */
function leaf_with_cfi
	.cfi_startproc
	push %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	sub $72, %rsp
	.cfi_adjust_cfa_offset 72
	loop_rdi
	add $72, %rsp
	.cfi_adjust_cfa_offset -72
	pop %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	ret
	.cfi_endproc
finish leaf_with_cfi

/* void calls_with_cfi(uint64_t steps, void (*callback)(uint64_t)); rbp is a number. */
function calls_with_cfi
	.cfi_startproc
	push %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	mov $0x1234567, %ebp
	call *%rsi
	pop %rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_endproc
finish calls_with_cfi

/* Without CFI, but with a frame pointer. */
function leaf_without_cfi
	push %rbp
	mov %rsp, %rbp
	sub $40, %rsp
	loop_rdi
	leave
	ret
finish leaf_without_cfi

function calls_without_cfi
	push %rbp
	mov %rsp, %rbp
	sub $48, %rsp
	call *%rsi
	leave
	ret
finish calls_without_cfi

/* Nothing says where it came from: rbp is its caller's, who has put another thing there. */
function bare
	loop_rdi
	ret
finish bare

	.section .note.GNU-stack, "", @progbits
