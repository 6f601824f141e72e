// SPDX-License-Identifier: MIT
/*
 * frameless SECONDS - rbp holds no frame address: numbers in some functions, in others the address
 * of a forged frame, through which a walk by frame pointers would come to decoy().
 */
#include "spin.h"

FRAME void decoy(void)
{
	spin(1);
}

static struct {
	void *next, *back_to;
} forged[2];

/* rbp is the loop's counter. */
FRAME void counts_in_rbp(uint64_t n)
{
	__asm__ volatile("mov %0, %%rbp\n\t"
			 "1: dec %%rbp\n\t"
			 "jnz 1b"
			 :
			 : "r"(n)
			 : "rbp", "cc");
}

/* rbp points to the forged frame, in the loop and in the callee. */
FRAME void lies_in_rbp(uint64_t n)
{
	__asm__ volatile("mov %0, %%rbp\n\t"
			 "mov %1, %%rcx\n\t"
			 "1: dec %%rcx\n\t"
			 "jnz 1b\n\t"
			 "mov %1, %%rdi\n\t"
			 "call counts_in_rbp"
			 :
			 : "r"(&forged[0]), "b"(n)
			 : "rbp", "cc", "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9",
			 "r10", "r11");
}

FRAME void above_the_lie(uint64_t n)
{
	uint64_t kept = n;

	OPAQUE(kept);
	lies_in_rbp(n);
	OPAQUE(kept);
}

int main(int argc, char **argv)
{
	forged[0].next = &forged[1];
	forged[0].back_to = forged[1].back_to = (char *)decoy + 4;
	begin(argc, argv);
	for (;;)
		above_the_lie(3 * MS);
}
