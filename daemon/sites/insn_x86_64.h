/* SPDX-License-Identifier: MIT */
/*
 * insn_x86_64.h - instructions as they stand at the beginning of functions: how long they are,
 * which general registers they change, where they lead, and what a uprobe on them costs.
 */
#ifndef PROFD_SITES_INSN_X86_64_H
#define PROFD_SITES_INSN_X86_64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As instructions number them. */
enum { INSN_RAX, INSN_RCX, INSN_RDX, INSN_RBX, INSN_RSP, INSN_RBP, INSN_RSI, INSN_RDI };

enum insn_flow {
	INSN_NEXT,   /* to the next one */
	INSN_BRANCH, /* there, or to the target */
	INSN_JUMP,   /* to the target */
	INSN_CALL,
	INSN_RETURN,
	INSN_AWAY, /* nobody knows where: indirect jump, system call */
	INSN_END,  /* nowhere: trap */
};

struct insn {
	size_t size;
	enum insn_flow flow;
	int32_t distance; /* of the target of a direct jump, from behind the instruction */
	uint16_t writes;  /* bits of general registers, perhaps more than it really changes */
	bool copies;	  /* it only copies a whole register: */
	uint8_t from, to;
	bool emulated; /* by all kernels that have uprobes for BPF; else it is single-stepped */
	bool refused;  /* no uprobe can be on it */
};

/* False: it is cut off, or not known here. */
bool insn_decode(const uint8_t *code, size_t size, struct insn *insn);

#endif
