// SPDX-License-Identifier: MIT
/* A library with USDT probes of heap profilers: as sys/sdt.h makes them, and by hand. */
#define _SDT_HAS_SEMAPHORES 1
#include <stddef.h>
#include <sys/sdt.h>

#define SEMAPHORE(name)                                                      \
	__attribute__((section(".probes"))) unsigned short name##_semaphore; \
	extern unsigned short name##_semaphore

SEMAPHORE(otel_memory_alloc);
SEMAPHORE(otel_memory_free);
SEMAPHORE(otel_memory_other);
SEMAPHORE(other_free);

void fire(void *pointer, size_t size, long weight);

void fire(void *pointer, size_t size, long weight)
{
	DTRACE_PROBE3(otel_memory, alloc, pointer, size, weight);
	DTRACE_PROBE1(otel_memory, free, pointer);
	DTRACE_PROBE1(other, free, pointer);
	DTRACE_PROBE1(otel_memory, other, pointer);
}

static int local[4];

int use(int i);

int use(int i)
{
	return local[i]++;
}

/* At a nop of its own, unless that is said. */
#define NOTE_AT(where, semaphore, name, arguments)                                \
	"990: nop\n"                                                              \
	".pushsection .note.stapsdt,\"\",\"note\"\n"                              \
	".balign 4\n"                                                             \
	".4byte 992f-991f, 994f-993f, 3\n"                                        \
	"991: .asciz \"stapsdt\"\n"                                               \
	"992: .balign 4\n"                                                        \
	"993: .8byte " where ", _.stapsdt.base, " semaphore "\n"                  \
	".asciz \"otel_memory\"\n.asciz \"" name "\"\n.asciz \"" arguments "\"\n" \
	"994: .balign 4\n"                                                        \
	".popsection\n"
#define NOTE(name, arguments) NOTE_AT("990b", "0", name, arguments)

__asm__(".text\n.globl by_hand\nby_hand:\n" NOTE("alloc", "8@%rax 8@$4096 8@-16(%rbp)") NOTE(
	"alloc", "-4@%r12d -8@$-5 4@8(%rax,%rbx,4)") NOTE("free", "4@local+8(%rip)") NOTE("free",
	"8@otel_memory_free_semaphore(%rip)") NOTE("free", "8@(,%rcx,8) 8@%xmm0") NOTE("free",
	"8@nobody(%rip)") NOTE("alloc", "8@%rax 8@%rbx") NOTE("free", "8f@%xmm0") NOTE("free", "")
		NOTE_AT("local", "0", "free", "8@%rax") NOTE_AT(
			"990b", "by_hand", "free", "8@%rax") "ret\n"
							     ".globl by_hand_end\nby_hand_end:\n");
