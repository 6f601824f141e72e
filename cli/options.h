/* SPDX-License-Identifier: MIT */
/*
 * options.h - one table for each command's options: it drives parsing, --help, and the names that
 * a mistyped option is compared with.
 *
 * Long options are taken with one dash or two, `_` and `-` in names are equal, values come as
 * `--name=value` or `--name value`. Options and operands may be mixed; all behind `--` are
 * operands.
 */
#ifndef PROFD_CLI_OPTIONS_H
#define PROFD_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Of ids of processes: PID_MAX_LIMIT of 64-bit kernels (include/linux/threads.h). */
#define PID_MAX 4194304

/* What an option sets at its offset. */
enum option_kind {
	OPTION_FLAG,   /* bool; also --name=yes|no, as Go's flags are typed */
	OPTION_NUMBER, /* uint32_t in [min, max] */
	OPTION_LIMIT,  /* uint32_t, 0 for none; -1 is UINT32_MAX, as suits; others below 0 are 0 */
	OPTION_FRACTION, /* double in [0, 1] */
	OPTION_REAL,	 /* double */
	OPTION_TEXT,	 /* const char *, borrowed from argv */
	OPTION_PERHAPS,	 /* likewise; its value comes only as --name=value, "" without */
	OPTION_TEXTS,	 /* struct texts: may be repeated */
	OPTION_IDS,	 /* struct ids in [min, max]: may be repeated, or separated by commas */
	OPTION_DURATION, /* uint64_t, seconds (parse_duration) */
	OPTION_TIME,	 /* time_t (parse_time) */
};

struct texts {
	const char **items; /* borrowed from argv */
	size_t n, capacity;
};

struct ids {
	uint32_t *items;
	size_t n, capacity;
};

struct option {
	const char *name;
	char letter;	      /* 'o' for -o, or 0 */
	const char *argument; /* as --help shows it; NULL for a flag */
	enum option_kind kind;
	size_t offset; /* of the value in the group's struct */
	uint32_t min, max;
	const char *help;
};

struct option_group {
	const char *title;
	const struct option *options; /* ends with a NULL name */
	size_t offset;		      /* of the group's struct in the command's */
};

struct command {
	const char *name, *synopsis, *summary;
	const char *details;		   /* paragraph below the synopsis in --help, may be NULL */
	const struct option_group *groups; /* ends with a NULL title */
	/* Gets argv from the command's name on; returns the exit code. */
	int (*run)(int argc, char **argv);
};

/* What is not an option. The pointers are into argv. */
struct operands {
	char **items;
	size_t n;
	bool dashes;  /* there was a `--` */
	size_t after; /* index of the first operand behind it; n without one */
};

enum options_result { OPTIONS_OK, OPTIONS_HELP, OPTIONS_BAD };

/* Parses argv[1…] into `values`, a struct that holds the defaults already. argv is permuted so
 * that operands come last, in order. HELP: it was printed to standard output. BAD: the mistake
 * was printed to standard error. */
enum options_result command_parse(
	const struct command *c, int argc, char **argv, void *values, struct operands *operands);
/* How many words of argv an option takes: 1, or 2 where its value comes behind it; 0: the command
 * has no such option. */
int command_option_size(const struct command *c, const char *argument);
/* Prints "profctl CMD: …" and where help is, and returns the exit code of wrong usage, 2. */
int command_usage(const struct command *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void command_help(const struct command *c, FILE *out);

/* Sets one option's field from a text that stays; a flag's may be NULL for yes. 0; -EINVAL,
 * explained.
 */
int option_set(const struct command *c, const struct option *o, void *field, const char *value);

/* Edits (insert, delete, replace) between two names, `_` and `-` being equal. Names are cut at 63
 * bytes. */
unsigned name_distance(const char *a, const char *b);
/* How far what was typed is from a name: 0 where it begins it, else more than that. */
unsigned name_miss(const char *typed, const char *name);

void texts_free(struct texts *t);
void ids_free(struct ids *t);

#endif
