/* SPDX-License-Identifier: MIT */
/* troubles.h - the modules that got fewer names than they have, and why: the ones of late, for
 * whoever asks for profd's status. */
#ifndef PROFD_COLLECTOR_TROUBLES_H
#define PROFD_COLLECTOR_TROUBLES_H

#include <stddef.h>

#include "collector/modules.h"

#define TROUBLES_MAX 32 /* remembered; the oldest goes first */

enum trouble {
	/* The symbolizer failed at it: */
	TROUBLE_CRASH,	/* died */
	TROUBLE_TIME,	/* did not end in time, and was ended */
	TROUBLE_MEMORY, /* needed more than it may have */
	TROUBLE_ROOM,	/* found too little on the disk to unpack it */
	TROUBLE_ANSWER, /* gave a broken answer */
	/* Limits, beyond which the rest is left out: */
	TROUBLE_SIZE,	     /* of an answer */
	TROUBLE_INLINES,     /* inlined calls at one address */
	TROUBLE_NAME_LENGTH, /* bytes of a name */
	/* Its debug information cannot be read. */
	TROUBLE_DEBUG_INFO,
	TROUBLE_DEBUGDATA, /* .gnu_debugdata */
	TROUBLE_SPLIT,	   /* that in .dwo or .dwp files */
	TROUBLE_COUNT,
};

/* What is left of a module's names. */
enum trouble_rest {
	TROUBLE_REST_NONE,
	TROUBLE_REST_SYMBOLS, /* of its symbol table */
	TROUBLE_REST_LINES,   /* that, with lines */
	TROUBLE_REST_MOST,
};

struct trouble_entry {
	struct file_identity file;
	char *module; /* its path, without control characters; owned */
	enum trouble trouble;
	enum trouble_rest rest;
};

/* Zero-initialised is empty. */
struct troubles {
	struct trouble_entry all[TROUBLES_MAX]; /* the oldest first */
	size_t n;
};

/* Notes it; what is known of the same module and trouble is replaced. */
void troubles_add(
	struct troubles *t, const struct module *m, enum trouble trouble, enum trouble_rest rest);
void troubles_free(struct troubles *t);

/* A word for programs, and half a sentence for people. */
const char *trouble_word(enum trouble trouble);
const char *trouble_text(enum trouble trouble);
const char *trouble_rest_text(enum trouble_rest rest);

#endif
