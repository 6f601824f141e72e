/* SPDX-License-Identifier: MIT */
/*
 * code_modules.h - the modules that the unwinder helper keeps open between requests, mapped and
 * with the index of their CFI, since many pages of one are wanted one after the other. The least
 * recently used are closed first.
 */
#ifndef PROFD_UNWINDER_CODE_MODULES_H
#define PROFD_UNWINDER_CODE_MODULES_H

#include "symbolizer/debug_file.h"
#include "unwind/compile.h"
#include "unwinder/protocol.h"

/* Open at once; each has up to two descriptors. */
#define CODE_MODULES_MAX 24

/* After so many compiled pages a module is opened anew, which gives back the memory that its file
 * was mapped to: of a large library that would become all of it. */
#define CODE_MODULES_PAGES 256

struct code_module {
	struct code_module *prev, *next;
	struct file_identity identity;
	int fd;
	struct elf_file file;
	struct debug_file debug; /* where only that has CFI */
	struct unwind_module *compiler;
	struct unwinder_layout layout;
	bool has_cfi;	   /* or its debug file has */
	unsigned compiled; /* pages */
};

struct code_modules {
	struct code_module *by_use; /* the last used one first */
	size_t n;
	uint64_t heap_limit; /* bytes that the helper may use before it closes some */
	debug_want want;
	void *userdata; /* of want */
};

/* The module of a file, opened if it is not; *fd is taken (-1 then) if it is kept. Valid until the
 * next call. 0; -ENOEXEC, -ENOTSUP: see unwinder_opened; -ENOMEM. */
int code_modules_get(struct code_modules *c, const struct file_identity *identity, int *fd,
	struct code_module **out);
void code_modules_close(struct code_modules *c);
/* Like unwind_module_compile; closes other modules where memory does not suffice. */
int code_modules_compile(struct code_modules *c, struct code_module *m, uint32_t page,
	uint32_t words[UNWIND_PAGE_WORDS]);

#endif
