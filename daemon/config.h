/* SPDX-License-Identifier: MIT */
/*
 * config.h - profd's settings: /etc/profd/profd.conf (INI), each key also a flag of profd
 * (`_` becomes `-`). One table in config.c drives parsing, checking and --help; a unit test
 * holds profd.conf(5) and the example file against it.
 */
#ifndef PROFD_CONFIG_H
#define PROFD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_clock { CONFIG_CLOCK_AUTO, CONFIG_CLOCK_CPU, CONFIG_CLOCK_CYCLES };

enum config_unwind { CONFIG_UNWIND_AUTO, CONFIG_UNWIND_TABLE, CONFIG_UNWIND_FRAME_POINTER };

struct config {
	/* [profile] */
	bool cpu;	    /* types= contains cpu; types= (empty) profiles nothing continuously */
	unsigned frequency; /* Hz, 1..1000 */
	unsigned window;    /* s, 10..3600 */
	enum config_clock clock;
	enum config_unwind unwind;
	bool exclude_self;
	/* [heap] */
	char *watch;	       /* watch_list.h; "": nothing */
	char *snapshot_every;  /* snapshot_plan.h; "": none is written unasked */
	unsigned max_cost;     /* % of one CPU; 0: no ceiling */
	unsigned sample_bytes; /* mean bytes between samples */
	/* [paths] */
	char *store, *socket, *cache;
	/* [retention] */
	uint64_t max_age;  /* s */
	uint64_t max_size; /* bytes */
	/* [limits] */
	uint64_t tables;     /* bytes of unwind tables in the kernel */
	uint64_t symbolizer; /* bytes of private memory */
	/* [symbols] */
	char *debug_dirs;	  /* colon-separated */
	char *debuginfod;	  /* URLs, with blanks between; "": none */
	uint64_t debuginfod_size; /* bytes of what was fetched from them */
	/* No key, a flag only. */
	char *capture; /* file, or NULL */
	/* No key, a variable only. */
	uint64_t heap_seed; /* 0: by chance */
};

#define CONFIG_PATH "/etc/profd/profd.conf"

/* Fills in the defaults. config_free releases what it holds (also after a failure; twice is
 * fine). 0 or -errno. */
int config_init(struct config *c);
void config_free(struct config *c);
/* Reads a file; writes every mistake to `errors`, as "FILE:LINE: what, why, what is allowed".
 * Returns the number of mistakes, or -errno when the file cannot be read. Keys without a mistake
 * are set, so a config with mistakes is to be thrown away. */
int config_load(struct config *c, const char *path, FILE *errors);
/* Sets one key ("max_age"); section NULL: any, since names are unique. 0, or with one line in
 * `why`: -EINVAL for a value that is not allowed, -ENOENT for an unknown key, -ENOMEM. */
int config_set(struct config *c, const char *section, const char *key, const char *value, char *why,
	size_t why_size);

/* What a user is told about a key. */
struct config_key {
	const char *section, *name;
	const char *value;    /* placeholder for --help: "HZ" */
	const char *fallback; /* the default, as it would be written in the file */
	const char *help;     /* half a sentence */
	bool is_path;	      /* one absolute path */
};
/* Key number i, or NULL beyond the last. */
const struct config_key *config_key(size_t i);
/* The key that somebody who typed `name` may have meant, or NULL. */
const struct config_key *config_nearest(const char *name);

#endif
