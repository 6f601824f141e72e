/* SPDX-License-Identifier: MIT */
/*
 * 1,024 functions with 3,000 rows of unwind information each, in 15 MB of code. Each goes down the
 * stack in small steps, calls its argument, and goes up again.
 */
	.text
	.macro function
	.p2align 4
	.cfi_startproc
	.rept 1500
	lea -8(%rsp), %rsp
	.cfi_adjust_cfa_offset 8
	.endr
	call *%rdi
	.rept 1500
	lea 8(%rsp), %rsp
	.cfi_adjust_cfa_offset -8
	.endr
	ret
	.cfi_endproc
	.endm

	.globl many_functions, many_functions_end
	.type many_functions, @function
	.p2align 4
many_functions:
	.rept 1024
	function
	.endr
	.p2align 4
many_functions_end:
	.size many_functions, . - many_functions
	.section .note.GNU-stack, "", @progbits
