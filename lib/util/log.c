/* SPDX-License-Identifier: MIT */
/* log.c - see log.h. Each message is one write(2), so that lines of several processes on the same
 * descriptor do not mix. */
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

static struct {
	const char *name;
	enum log_level level;
	bool journal;
} log_state = {.name = "profd", .level = LOG_LEVEL_INFO};

/* JOURNAL_STREAM holds "device:inode" of the stream that systemd connected (systemd.exec(5)); it
 * is inherited, so standard error may be something else by now. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	char *end;
	unsigned long long device = strtoull(stream, &end, 10);
	if (*end != ':')
		return false;
	unsigned long long inode = strtoull(end + 1, &end, 10);
	return *end == '\0' && device == st.st_dev && inode == st.st_ino;
}

void log_setup(const char *name, enum log_level level)
{
	log_state.name = name;
	log_state.level = level;
	log_state.journal = stderr_is_journal();
}

void log_write(enum log_level level, const char *format, ...)
{
	if (level > log_state.level)
		return;
	int saved = errno;
	char line[LOG_LINE_MAX];
	int prefix = log_state.journal ? snprintf(line, sizeof(line), "<%d>", (int)level)
				       : snprintf(line, sizeof(line), "%s: ", log_state.name);
	if (prefix < 0 || prefix > LOG_LINE_MAX / 2)
		prefix = 0;
	size_t room = sizeof(line) - (size_t)prefix - 1; /* the newline's place */
	va_list arguments;
	va_start(arguments, format);
	int text = vsnprintf(line + prefix, room, format, arguments);
	va_end(arguments);
	size_t length = text < 0 ? 0 : (size_t)text < room ? (size_t)text : room - 1;
	length += (size_t)prefix;
	for (size_t i = (size_t)prefix; i < length; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[length++] = '\n';
	while (write(STDERR_FILENO, line, length) < 0 && errno == EINTR)
		;
	errno = saved;
}

bool log_allowed(struct log_limit *limit)
{
	struct timespec now;
	if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
		return true;
	/* `last` is in seconds plus one, so that 0 means never. */
	unsigned long long second = (unsigned long long)now.tv_sec + 1;
	if (limit->last && second - limit->last < limit->seconds) {
		limit->held++;
		return false;
	}
	limit->last = second;
	if (limit->held)
		log_write(LOG_LEVEL_WARNING, "%llu messages like the next one were held back",
			limit->held);
	limit->held = 0;
	return true;
}
