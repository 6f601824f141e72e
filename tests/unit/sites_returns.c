// SPDX-License-Identifier: MIT
/* A library with the functions of an allocator, some of which are made to be left in all ways that
 * there are. Those that can be followed have their rets in returns_expected, others do not. */

/* What cannot be decoded or jumps away: who comes there is not followed. */
#define TRAP "jmp *%rax\n"
#define FUNCTION(name) \
	".globl " name "\n.type " name ", @function\n.balign 16\n" name ":\n.cfi_startproc\n"
#define END(name) ".cfi_endproc\n.size " name ", .-" name "\n"
/* Longer than any wrapper. */
#define LONG ".skip 256, 0x90\n"
#define ALL(name, ...) FUNCTION(name) __VA_ARGS__ END(name)
#define RET(number) "ret_" number ": ret\n"

__asm__(".text\n" ALL("malloc", "push %rbx\npop %rbx\nret\n") ALL(
	"free", "push %rbx\npop %rbx\nret\n")
	/* Both ways of branches, a loop, calls of somebody, and a jump to a function as its last
	 * act. */
	ALL("_Znwm",
		"push %rbx\ncmp $8, %rdi\nja 2f\ncall *%rax\n1: pop %rbx\n" RET(
			"1") "2: dec %rdi\njnz 2b\njrcxz 1b\npop %rbx\njmp last\n" TRAP)
	/* By the PLT, and without it. */
	ALL("_Znam", "test %rdi, %rdi\njnz other@PLT\nud2\n")
		ALL("tc_new", LONG "jmp *other@GOTPCREL(%rip)\n")
	/* Those who do not return, by name and by where the next function begins. */
	ALL("tc_new_aligned", LONG "je 1f\nret_2: rep ret\n1: call abort@PLT\n")
		ALL("behind_by_name", TRAP)
	ALL("mi_new", LONG "je 1f\nret_3: bnd ret\n1: call nowhere\n") ALL("behind_by_place", TRAP)
	ALL("mi_new_n", LONG "jc 1f\njz 2f\nret_4: ret $8\n1: hlt\n2: int3\n")
	/* These cannot be followed: a table of jumps, a library of somebody else's, a system call,
	 * no end, too many ends, too long a way. */
	ALL("_ZnwmSt11align_val_t", LONG "je 1f\nret\n1: jmp *(%rax,%rdi,8)\n")
		ALL("_ZnamSt11align_val_t", LONG "je nobody@PLT\nret\n")
	ALL("tc_newarray", LONG "syscall\nret\n") ALL("mi_new_aligned", LONG "1: jmp 1b\n")
		ALL("tc_newarray_aligned", LONG ".rept 65\nje 1f\nret\n1:\n.endr\nret\n")
	ALL("mi_new_realloc", LONG ".skip 5000, 0x90\nret\n")
	/* Their own. */
	ALL("other", "xor %eax, %eax\n" RET("5")) ".type last, @function\nlast:\n.cfi_startproc\n"
		"xor %eax, %eax\n" RET("6") END("last") ".type nowhere, @function\nnowhere:\n"
		".cfi_startproc\nud2\n" END("nowhere")
	".section .rodata\n.globl returns_expected\n.balign 4\nreturns_expected:\n"
	".long ret_1 - malloc, ret_2 - malloc, ret_3 - malloc, ret_4 - malloc, ret_5 - malloc, "
	"ret_6 - malloc, 0\n.text\n");
