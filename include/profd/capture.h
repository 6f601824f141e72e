/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * capture.h - the capture file (`profd --capture FILE`): samples with what a second unwinder needs
 * to walk the same stack, so that the two can be compared.
 *
 * A stream of records, each a struct capture_head and `size` bytes, all little-endian, one behind
 * the other without padding:
 *
 *     CAPTURE_MAPS    struct capture_maps, then text: the executable mappings of a process in the
 *                     form of /proc/PID/maps ("start-end r-xp offset maj:min inode path\n"). They
 *                     are in force for samples of that pid from here on, up to its next such
 *                     record. The file may be gone or another one by the time that this is read;
 *                     [vdso] has none.
 *     CAPTURE_SAMPLE  struct capture_sample, then n_user uint64_t frames (innermost first: where
 *                     the program counter was, then return addresses), then stack_size bytes of
 *                     stack, from the stack pointer upwards.
 */
#ifndef PROFD_CAPTURE_H
#define PROFD_CAPTURE_H

#include <stdint.h>

enum capture_kind { CAPTURE_MAPS = 1, CAPTURE_SAMPLE };

struct capture_head {
	uint32_t kind; /* enum capture_kind */
	uint32_t size; /* of what follows, bytes */
};

struct capture_maps {
	uint32_t pid;
	uint32_t pad;
};

/* x86-64, by DWARF number: rax rdx rcx rbx rsi rdi rbp rsp r8 to r15, rip. */
#define CAPTURE_REGISTERS 17

struct capture_sample {
	uint64_t time; /* CLOCK_MONOTONIC, ns */
	uint32_t pid, tid;
	char comm[16];
	uint64_t registers[CAPTURE_REGISTERS];
	uint32_t n_user;
	uint8_t end; /* enum profd_unwind_end: 0 complete, else why the walk stopped */
	uint8_t way; /* who walked: tables in BPF, tables in user space, the frame pointer */
	uint8_t pad[2];
	uint32_t stack_size;
	uint32_t pad2;
};

#endif
