/* SPDX-License-Identifier: MIT */
/*
 * symbol_client.h - questions to the symbolizer (symbolizer/symbolizer.h), one after the other,
 * each waited for. It is a child of this process that runs in the same sandbox as profd's, sees no
 * files but those that it is sent, and is believed nothing that was not checked. It starts with the
 * first question; one that fails at a question is ended. What it has found out is kept in the
 * user's cache ($PROFD_CACHE, else $XDG_CACHE_HOME/profd, else ~/.cache/profd) for the next time.
 */
#ifndef PROFD_CLI_SYMBOL_CLIENT_H
#define PROFD_CLI_SYMBOL_CLIENT_H

#include <stdbool.h>

#include "debug_servers.h"
#include "helper/process.h"
#include "helper/protocol.h"
#include "symbols/answer.h"
#include "util/cache_folder.h"

/* Debug files of one answer that are remembered. */
#define SYMBOL_WANTS_KEPT 8

struct symbol_client {
	struct helper helper;
	bool greeted;		       /* it has said HELLO */
	bool has_scratch;	       /* it was given its file to write to */
	bool seccomp;		       /* and that its filter is in force */
	char *debug_dirs;	       /* further ones, separated by colons; owned */
	struct debug_servers *servers; /* of debuginfod; borrowed; NULL: none are asked */
	struct cache_folder *cache;    /* of names; NULL: none */
	bool warned;		       /* that nothing stays in it */
};

struct symbol_question {
	enum symbolizer_kind kind;
	int fd;		  /* the module; borrowed */
	const char *path; /* where it lies: debug files may be beside it */
	/* A process that has it mapped, perhaps below another root than ours: `path` is as seen
	 * from there, and debug files are looked for there, too. 0: none. */
	uint32_t pid;
	const uint64_t *at; /* offsets, sorted and unique, as the kind says */
	size_t n; /* at most SYMBOLIZER_MAX_OFFSETS; 0: what is there to take names from? */
	bool symbols_only; /* no DWARF, no other files */
};

/* A debug file that was asked for. */
struct symbol_want {
	char name[HELPER_MAX_WANT + 1]; /* as debug_name.h says */
	char *path;			/* NULL: there is none */
	char said[DEBUG_SERVERS_SAID];	/* by debuginfod's servers, who were asked last; or "" */
};

struct symbol_reply {
	struct symbol_answer answer;
	void *body; /* that it points into */
	/* What the symbolizer failed at before, and this is of the symbol tables only; "". */
	char failure[256];
	struct symbol_want wants[SYMBOL_WANTS_KEPT]; /* the first ones, also of before it failed */
	size_t n_wants;
};

/* debug_dirs: further folders with debug files, separated by colons; NULL: those that profd is
 * configured with. 0 or -ENOMEM; symbol_client_close() in any case. */
int symbol_client_init(struct symbol_client *c, const char *debug_dirs);
/* Ends the process. */
void symbol_client_close(struct symbol_client *c);

/* A descriptor of a module, which may be anything, for a question; the caller's to close. Or -errno
 * with a line in `why`. */
int symbol_file_open(const char *path, char *why, size_t why_size);
/* Says in `why` that one cannot be opened: error is -errno of open_checked.h. */
void symbol_file_explain(int error, char *why, size_t why_size);

/* The path of an open file, as it is seen from its own root, to free; NULL without memory. */
char *symbol_file_path(int fd);

/* An O_PATH descriptor of the root folder of a process, the caller's to close; or -errno. */
int symbol_root_open(uint32_t pid);

/* Says in `why` that debug information found no room in which it could be unpacked. */
void symbol_lacks_room(char *why, size_t size);

/* Asks, and where the symbolizer fails at an ELF file or the kernel, asks for its symbol tables
 * only. The reply
 * is the caller's, for symbol_reply_free(). 0, or -errno with a line in `why`: there is no reply
 * then. An answer's own error (answer.head->error) is 0 in a reply. */
int symbol_client_ask(struct symbol_client *c, const struct symbol_question *q,
	struct symbol_reply *reply, char *why, size_t why_size);
void symbol_reply_free(struct symbol_reply *r);

#endif
