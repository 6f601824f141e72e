/* SPDX-License-Identifier: MIT */
/*
 * helper_client.h - questions to a helper that parses files, one at a time, each with a limit of
 * its CPU time, and one of patience. The process starts with the first one and ends when nothing
 * was asked for some seconds; debug files that it wants are opened for it. Whoever fails at a
 * question is ended, and what it failed at is the caller's to remember.
 */
#ifndef PROFD_COLLECTOR_HELPER_CLIENT_H
#define PROFD_COLLECTOR_HELPER_CLIENT_H

#include "collector/helper_link.h"
#include "collector/modules.h"

struct opener;

enum helper_failure {
	HELPER_DIED,
	HELPER_WAS_SLOW,
	HELPER_SPOKE_NONSENSE,
	HELPER_LACKED_MEMORY,
	HELPER_LACKED_ROOM, /* on the disk */
};

struct helper_client_options {
	const char *name; /* as helper_start takes it; must outlive the client */
	uint64_t memory_limit;
	size_t max_answer; /* bytes */
	uint64_t patience; /* us, for one answer, however little of the CPU the helper gets */
	/* Folder for the one file that a helper may write to (helper/scratch.h); NULL: none. Must
	 * outlive the client. */
	const char *scratch;
	/* The body of an ANSWER, aligned as malloc does. The next question may be asked from
	 * within. 0; or, to have the helper ended and be told of the failure: -EBADMSG, -ENOMEM,
	 * -ENOSPC. */
	int (*on_answer)(void *userdata, const void *data, size_t size);
	/* While a question is worked on: there is no debug file of a build-id (plain hex), and
	 * there is one that would be of use. NULL: nobody wants to know. */
	void (*on_lacked)(void *userdata, const char *build_id);
	/* There will be no answer to the question. `how` is half a sentence. */
	void (*on_failure)(void *userdata, enum helper_failure failure, const char *how);
	void *userdata;
};

struct helper_client_stats {
	uint64_t crashes, timeouts, refused_answers;
	bool seccomp; /* the helper reported that its filter is in force */
};

enum helper_client_state {
	HELPER_CLIENT_IDLE,
	HELPER_CLIENT_ASKED,  /* the helper works */
	HELPER_CLIENT_WANTED, /* it waits for a debug file from the opener */
};

struct helper_client {
	struct helper_client_options options;
	sd_event *event;
	struct opener *opener; /* borrowed */
	struct helper_link link;
	sd_event_source *timer;
	enum helper_client_state state;
	uint64_t works_since;	   /* of the monotonic clock, us */
	uint64_t patience_left;	   /* with its work on the question, us */
	uint64_t cpu_limit;	   /* that the helper may have used up by the answer, us */
	bool greeted;		   /* the process has said HELLO */
	const struct module *file; /* that is asked about */
	unsigned wants;		   /* debug files, for one question */
	bool has_scratch;	   /* the process was given one */
	struct helper_client_stats stats;
};

/* 0 or -errno; helper_client_close in any case. */
int helper_client_init(struct helper_client *c, sd_event *event, struct opener *opener,
	const struct helper_client_options *options);
/* Nobody is called back any more. */
void helper_client_close(struct helper_client *c);

/* Asks about a file, which must live until the answer; its descriptor comes first, then `more`
 * unless that is -1. Only when nothing is asked. 0 (one of the callbacks will be called, later) or
 * -errno. */
int helper_client_ask(struct helper_client *c, const void *question, size_t size,
	const struct module *file, int more);
/* Lets the process end at once, if nothing is asked. */
void helper_client_idle(struct helper_client *c);

#endif
