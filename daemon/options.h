/* SPDX-License-Identifier: MIT */
/*
 * options.h - profd's command line, and the settings that command line, environment and file
 * make together: flags over environment over file over defaults.
 */
#ifndef PROFD_OPTIONS_H
#define PROFD_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "config.h"

#define OPTIONS_MAX_FLAGS 32

struct options {
	bool help, version, check_config, foreground;
	const char *config_path;  /* --config, or NULL */
	const char *capture_path; /* --capture, or NULL */
	/* Flags that are keys of the configuration, in order. Borrowed from argv. */
	struct {
		const char *key, *value;
	} flags[OPTIONS_MAX_FLAGS];
	size_t n_flags;
};

/* 0, or -EINVAL with one line in `why`: unknown flag, no value, value that is not allowed. The
 * options borrow from argv, which is put in another order. */
int options_parse(struct options *o, int argc, char **argv, char *why, size_t why_size);

/* Where the settings come from: --config; NULL when there is no file to read (--store or
 * PROFD_STORE make a private instance, which does not read the installed one's file). */
const char *options_config_path(const struct options *o);

/* Builds the settings into *c (config_free it in any case). A missing CONFIG_PATH is no mistake
 * unless --config names it. Returns the number of mistakes, each a line in `errors`, or -errno:
 * the file could not be read, which is a line in `errors` too. */
int options_config(const struct options *o, struct config *c, FILE *errors);

/* --help */
void options_help(FILE *out);

#endif
