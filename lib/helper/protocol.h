/* SPDX-License-Identifier: MIT */
/*
 * protocol.h - what the collector, or profctl, and the helpers that parse files (symbolizer,
 * unwinder) say to each other over their stream socket.
 *
 * Both ends are the same executable, so structs travel as they are in memory. Every message is a
 * helper_head and `size` bytes. The helper begins with HELLO; then, for each REQUEST (with
 * descriptors on its first byte), it may ask for debug files (WANT, answered by one FILE with or
 * without a descriptor) and ends with one ANSWER. What stands in a REQUEST and in an ANSWER is said
 * by the protocol.h of each helper. Nobody believes anything of an ANSWER that was not checked.
 */
#ifndef PROFD_HELPER_PROTOCOL_H
#define PROFD_HELPER_PROTOCOL_H

#include <stdint.h>

#define HELPER_MESSAGE_FDS 2	/* descriptors that come with one message */
#define HELPER_MAX_WANT	   1024 /* bytes of a name that is asked for */
/* Files for one answer: split DWARF has one for each unit, and those of the cache are looked at. */
#define HELPER_MAX_WANTS 1000
/* Wanted: a file to write to that nobody else has (scratch.h); each process gets one. */
#define HELPER_SCRATCH "/"
/* Wanted: the file with all split debug information of the one that is asked about, which is called
 * as that is, and .dwp; the helper does not know its name. */
#define HELPER_PACKAGE "?.dwp"
/* Wanted: the debug file of the kernel that runs, as distributions call it by its release. */
#define HELPER_KERNEL "?vmlinux"
#define HELPER_LACKED '!' /* before a build-id: no file here has it, but servers may */

enum helper_message {
	HELPER_HELLO = 1, /* helper_hello */
	HELPER_REQUEST,
	/* HELPER_SCRATCH, a name (symbols/debug_name.h), or HELPER_LACKED and a build-id; no NUL */
	HELPER_WANT,
	HELPER_FILE, /* nothing; its descriptor comes along, if there is such a file */
	HELPER_ANSWER,
};

struct helper_head {
	uint32_t type; /* enum helper_message */
	uint32_t size; /* of what follows */
};

struct helper_hello {
	uint32_t seccomp; /* 1: the system call filter is in force */
};

#endif
