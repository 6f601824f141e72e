/* SPDX-License-Identifier: MIT */
/* symbol_modules.h - programs and libraries, of processes or by their names, and where the names of
 * their functions come from. */
#ifndef PROFD_CLI_SYMBOL_MODULES_H
#define PROFD_CLI_SYMBOL_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "debug_servers.h"
#include "symbol_client.h"
#include "symbols/mapped_file.h"

/* One file with code, and what was learned of it. */
struct symbol_module {
	char *path;		    /* as it is shown; owned */
	struct mapped_file mapping; /* pid 0: it was named, and is not a process's */
	bool here;		    /* its path leads to it from our root, too */
	char build_id[SYMBOLIZER_BUILD_ID];
	uint32_t sources; /* enum symbolizer_answer_flags */
	char *debug_file; /* owned; that was found, or passed over, as `sources` says */
	char *package;	  /* owned; of split debug information, that was looked at; or NULL */
	bool by_build_id; /* it was found by that */
	/* What debuginfod's servers said of it, and of the file that dwz made of parts of several;
	 * "" where they were not asked. */
	char servers[DEBUG_SERVERS_SAID], alternate[DEBUG_SERVERS_SAID];
	bool fetched;			  /* it is theirs */
	char shared[SYMBOLIZER_BUILD_ID]; /* build-id of that of dwz; "" without */
	bool lacks_shared;
	char why[512];	   /* it cannot be read */
	char failure[256]; /* its debug information, or its debug file, cannot be; or "" */
};

/* All 0 before anything is added. */
struct symbol_modules {
	struct symbol_module *items;
	size_t n, capacity;
	uint32_t *jits; /* processes with code of no file: made by a JIT */
	size_t n_jits, jits_capacity;
	struct symbol_module kernel;
	bool with_kernel; /* that one is looked at, too */
};

/* All that a process has mapped as code, each file once. 0, or -errno, logged but for -ENOMEM. */
int symbol_modules_add_process(struct symbol_modules *s, uint32_t pid);
/* A file by its name, which need not be there. 0 or -ENOMEM. */
int symbol_modules_add_file(struct symbol_modules *s, const char *path);

/* Fills in what each of them has. How many of the files could not be read; the kernel, whose names
 * can be hidden, is not counted. */
size_t symbol_modules_look(struct symbol_modules *s, struct symbol_client *client);

void symbol_modules_free(struct symbol_modules *s);

#endif
