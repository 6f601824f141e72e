// SPDX-License-Identifier: MIT
/* assembly SECONDS - calls the functions in hand.S in turn, also those that call back. */
#include "spin.h"

void leaf_with_cfi(uint64_t steps);
void leaf_without_cfi(uint64_t steps);
void calls_with_cfi(uint64_t steps, void (*callback)(uint64_t));
void calls_without_cfi(uint64_t steps, void (*callback)(uint64_t));
void bare(uint64_t steps);

FRAME void called_back(uint64_t steps)
{
	char room[100];

	HOLD(room);
	spin(steps);
	HOLD(room);
}

/* Saves rbp itself and uses it for a number. */
FRAME void saves_rbp(uint64_t steps)
{
	__asm__ volatile("mov %0, %%rdi\n\t"
			 "mov $77, %%rbp\n\t"
			 "call called_back"
			 :
			 : "b"(steps)
			 : "rbp", "cc", "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9",
			 "r10", "r11");
}

FRAME void decoy(void)
{
	spin(1);
}

/* No stack is there, but it looks like a frame that returns to decoy(). */
static struct {
	void *next, *back_to;
} forged[2] = {{&forged[1], (char *)decoy + 4}, {NULL, (char *)decoy + 4}};

/* rbp is misleading, and nothing else is known about the function that it calls. */
FRAME void into_bare(uint64_t steps)
{
	__asm__ volatile("mov %0, %%rdi\n\t"
			 "mov %1, %%rbp\n\t"
			 "call bare"
			 :
			 : "b"(steps), "r"(&forged[0])
			 : "rbp", "cc", "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9",
			 "r10", "r11");
}

FRAME void every_hand(uint64_t steps)
{
	leaf_with_cfi(steps);
	leaf_without_cfi(steps);
	calls_with_cfi(steps, saves_rbp);
	calls_without_cfi(steps, called_back);
	calls_without_cfi(steps, saves_rbp);
	into_bare(steps);
	STAY();
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (;;)
		every_hand(2 * MS);
}
