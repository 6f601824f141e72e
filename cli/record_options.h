/* SPDX-License-Identifier: MIT */
/* record_options.h - what profctl record was told, and how far it has come. */
#ifndef PROFD_CLI_RECORD_OPTIONS_H
#define PROFD_CLI_RECORD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "leak_check.h"
#include "leak_exit.h"
#include "options.h"
#include "output.h"
#include "place.h"
#include "recording.h"
#include "snapshots.h"

#define RECORD_MAX_TEXT 32

struct record_taker;

struct record {
	struct place place;
	struct ids pids, tids;
	const char *comm, *cgroup, *type, *output, *names;
	const char *temporary; /* as it was typed; NULL: not wanted */
	uint32_t temporary_us;
	uint32_t seconds, frequency, sample_bytes, max_cost;
	bool children, timestamps, ages, standalone;
	struct leak_check leak_check;
	struct leak_exit leak_exit;
	struct snapshots snapshots;
	bool announced;	  /* the command has the library that announces what it allocates */
	char **command;	  /* NULL: none */
	double attaching; /* s, from the request until sampling had begun */
	const struct record_taker *taker; /* gets the profile instead of the store; or NULL */
	/* Of each type: */
	size_t n_types;
	char types[RECORDING_MAX_TYPES][RECORD_MAX_TEXT];
	char name[64];			  /* that snapshots have without -o */
	char *paths[RECORDING_MAX_TYPES]; /* where it is to be written; NULL: in the store */
	struct output outs[RECORDING_MAX_TYPES];
};

/* For a command whose struct is a record. */
extern const struct option_group RECORD_GROUPS[];

/* What is so where no option says otherwise. */
struct record record_default(void);
void record_free(struct record *r);

/* Takes the operands, and settles what the options say together. 0, or the exit code of wrong
 * usage, explained. */
int record_settle(struct record *r, const struct operands *rest);

bool record_has_type(const struct record *r, const char *type);

#endif
