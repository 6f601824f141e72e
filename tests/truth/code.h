/* SPDX-License-Identifier: MIT */
/*
 * code.h - the code of a process, as instructions: what stands before a return address, and where
 * functions begin. It is the third opinion where two unwinders differ, so it trusts neither: a
 * return address follows a call, and the call's target is the function that was called.
 */
#ifndef TRUTH_CODE_H
#define TRUTH_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "symbolizer/elf_file.h"
#include "unwind/cfi_header.h"
#include "unwind/cfi_source.h"

/* One ELF file. Opened once, however many processes map it. */
struct code_file {
	char *path;
	dev_t device;
	ino_t inode;
	int fd;
	struct elf_file elf;
	struct cfi_source source;
	struct cfi_header header; /* count 0: none */
};

struct code_files {
	struct code_file **files;
	size_t count, capacity;
};

/* The file behind a mapping: the one at `path`, if it still has that inode (0: any); "[vdso]" is
 * this process's own, which is every process's. NULL: gone, another one, or not ELF. The file stays
 * with the collection. */
struct code_file *code_files_get(struct code_files *files, const char *path, uint64_t inode);
void code_files_free(struct code_files *files);

/* Where it is mapped minus where it says it should be; UINT64_MAX if it has no such part. */
uint64_t code_file_bias(const struct code_file *file, uint64_t start, uint64_t offset);

/* At least `before` bytes end at an ELF address, and one follows: a pointer to it, or NULL. */
const uint8_t *code_bytes(const struct code_file *file, uint64_t address, size_t before);
/* Where the FDE begins that an ELF address falls into, by the table in .eh_frame_hdr; 0: unknown.
 */
uint64_t code_function(const struct code_file *file, uint64_t address);

enum call_kind {
	CALL_NONE,
	CALL_INDIRECT, /* to an address that is not in the instruction */
	CALL_DIRECT,
};

/* What stands before a return address (ELF address); *target of a direct call. */
enum call_kind code_call_before(const struct code_file *file, uint64_t address, uint64_t *target);
/* Bytes of both forms of it, up to behind the system call. */
#define RESTORER       9
#define SHORT_RESTORER 7
/* Do signal handlers return to there (ELF address)? By its bytes: Go's programs may have no CFI. */
bool code_is_restorer(const struct code_file *file, uint64_t address);
/* Is the stack pointer loaded from memory shortly before a return address (ELF address)? Go's CFI
 * does not know of it. */
bool code_changes_stack(const struct code_file *file, uint64_t address);
/* In the first or last few instructions of a function, as they are usually written. */
bool code_is_prologue_or_epilogue(const struct code_file *file, uint64_t address);

#endif
