// SPDX-License-Identifier: MIT
#include "collector/cpus.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

static int parse_number(const char **text, unsigned *out)
{
	unsigned n = 0;

	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	for (; isdigit((unsigned char)**text); (*text)++) {
		n = n * 10 + (unsigned)(**text - '0');
		if (n >= CPUS_MAX)
			return -ERANGE;
	}
	*out = n;
	return 0;
}

int cpus_parse(const char *text, struct cpus *out)
{
	memset(out, 0, sizeof(*out));
	while (*text && *text != '\n') {
		unsigned first, last;
		int r = parse_number(&text, &first);
		last = first;
		if (r == 0 && *text == '-') {
			text++;
			r = parse_number(&text, &last);
		}
		if (r < 0)
			return r;
		if (last < first || (*text && *text != ',' && *text != '\n'))
			return -EINVAL;
		for (unsigned cpu = first; cpu <= last; cpu++)
			out->bits[cpu / 64] |= 1ULL << (cpu % 64);
		if (*text == ',')
			text++;
	}
	return 0;
}

int cpus_online(struct cpus *out)
{
	char text[4096];
	_cleanup_close_ int fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return cpus_parse(text, out);
}

int cpus_open_event(struct perf_event_attr *attr, unsigned cpu)
{
	attr->size = sizeof(*attr);
	long fd = syscall(SYS_perf_event_open, attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}
