/* SPDX-License-Identifier: MIT */
/*
 * log.h - one line a message to standard error, with the priority prefix of sd-daemon(3) when
 * standard error is the journal (JOURNAL_STREAM), and with the program's name otherwise.
 */
#ifndef PROFD_UTIL_LOG_H
#define PROFD_UTIL_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

/* name: "profd". Messages above `level` are dropped. */
void log_setup(const char *name, enum log_level level);
/* A newline is appended; control characters in the text are replaced (paths come from targets). */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A message that may come often: at most one each `seconds`, with how many were held back. Not
 * thread-safe. Usage: static struct log_limit limit = {.seconds = 60}; */
struct log_limit {
	unsigned seconds;
	unsigned long long last;
	unsigned long long held;
};
bool log_allowed(struct log_limit *limit);

#endif
