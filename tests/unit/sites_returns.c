// SPDX-License-Identifier: MIT
/* A library with the functions of an allocator, some of which are made to be left in all ways that
 * there are. Those that can be followed have their rets in returns_expected. */

#define CODE(name, code)                                                                         \
	__asm__(".text\n.balign 16\n.type " name ", @function\n" name ":\n.cfi_startproc\n" code \
		".cfi_endproc\n.size " name ", .-" name "\n")
#define FUNCTION(name, code) CODE(name, ".globl " name "\n" code)
/* One that is longer than any wrapper. */
#define LONG(name, code) FUNCTION(name, ".skip 256, 0x90\n" code)

FUNCTION("malloc", "push %rbx\npop %rbx\nret\n");
FUNCTION("free", "push %rbx\npop %rbx\nret\n");

/* Both ways of branches, a loop, a call of somebody, and a jump to a function as its last act. What
 * is behind that is not followed. */
FUNCTION("_Znwm", "push %rbx\ncmp $8, %rdi\nja 2f\ncall *%rax\n1: pop %rbx\nret_1: ret\n"
		  "2: dec %rdi\njnz 2b\njrcxz 1b\npop %rbx\njmp last\njmp *%rax\n");
/* By the PLT, and without it. */
FUNCTION("_Znam", "test %rdi, %rdi\njnz other@PLT\nud2\n");
LONG("tc_new", "jmp *other@GOTPCREL(%rip)\n");
/* What does not return, by its name and since the next function begins there; traps. */
LONG("tc_new_aligned", "je 1f\nret_2: rep ret\n1: call abort@PLT\n");
FUNCTION("behind_by_name", "jmp *%rax\n");
LONG("mi_new", "je 1f\nret_3: bnd ret\n1: call nowhere\n");
FUNCTION("behind_by_place", "jmp *%rax\n");
LONG("mi_new_n", "jc 1f\njz 2f\nret_4: ret $8\n1: hlt\n2: int3\n");

/* These cannot be followed: a table of jumps, another library, a system call, no end, too many
 * ends, too long a way. */
LONG("_ZnwmSt11align_val_t", "je 1f\nret\n1: jmp *(%rax,%rdi,8)\n");
LONG("_ZnamSt11align_val_t", "je nobody@PLT\nret\n");
LONG("tc_newarray", "syscall\nret\n");
LONG("mi_new_aligned", "1: jmp 1b\n");
LONG("tc_newarray_aligned", ".rept 65\nje 1f\nret\n1:\n.endr\nret\n");
LONG("mi_new_realloc", ".skip 5000, 0x90\nret\n");

FUNCTION("other", "xor %eax, %eax\nret_5: ret\n");
CODE("last", "xor %eax, %eax\nret_6: ret\n");
CODE("nowhere", "ud2\n");

__asm__(".section .rodata\n.globl returns_expected\n.balign 4\nreturns_expected:\n"
	".irp i, 1, 2, 3, 4, 5, 6\n.long ret_\\i - malloc\n.endr\n.long 0\n.text\n");
