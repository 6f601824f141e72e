// SPDX-License-Identifier: MIT
#include "watch_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMM_LONGEST 15 /* TASK_COMM_LEN without the NUL */

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && !strcmp(text + n - m, end);
}

static bool is_unit(const char *name)
{
	return ends_with(name, ".service") || ends_with(name, ".scope") ||
	       ends_with(name, ".slice");
}

static int add(struct watch_list *list, char *name, char *why, size_t why_size)
{
	struct watch_entry entry = {WATCH_COMM, name};

	if (list->n == WATCH_LIST_MAX) {
		snprintf(why, why_size, "more than %d names", WATCH_LIST_MAX);
		return -EINVAL;
	}
	if (*name == '/') {
		entry.kind = WATCH_CGROUP;
	} else if (strchr(name, '/')) {
		snprintf(why, why_size,
			"'%.64s' is neither a unit nor a command: begin a cgroup's path with /",
			name);
		return -EINVAL;
	} else if (is_unit(name)) {
		entry.kind = WATCH_UNIT;
	} else if (strlen(name) > COMM_LONGEST) {
		/* What the kernel knows of it is what it can be compared with. */
		name[COMM_LONGEST] = '\0';
	}
	list->entries[list->n++] = entry;
	return 0;
}

int watch_list_parse(struct watch_list *list, const char *text, char *why, size_t why_size)
{
	char *rest;
	int r = 0;

	*list = (struct watch_list){.text = strdup(text)};
	rest = list->text;
	if (!rest) {
		snprintf(why, why_size, "no memory");
		return -ENOMEM;
	}
	for (char *name; !r && (name = strtok_r(rest, ", \t", &rest));)
		r = add(list, name, why, why_size);
	return r;
}

void watch_list_free(struct watch_list *list)
{
	free(list->text);
	*list = (struct watch_list){0};
}

bool cgroup_is_within(const char *cgroup, const char *above)
{
	static const char *const mounts[] = {
		"/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	size_t n;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
		n = strlen(mounts[i]);
		if (!strncmp(above, mounts[i], n) && (!above[n] || above[n] == '/')) {
			above += n;
			break;
		}
	}
	n = strlen(above);
	while (n && above[n - 1] == '/')
		n--;
	return !strncmp(cgroup, above, n) && (!cgroup[n] || cgroup[n] == '/');
}

/* Is one of the path's folders called that? */
static bool has_folder(const char *path, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = path; (p = strchr(p, '/'));) {
		p++;
		if (!strncmp(p, name, n) && (!p[n] || p[n] == '/'))
			return true;
	}
	return false;
}

bool watch_list_matches(const struct watch_list *list, const char *comm, const char *cgroup)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct watch_entry *e = &list->entries[i];

		if (e->kind == WATCH_COMM	? !strcmp(comm, e->name)
			: e->kind == WATCH_UNIT ? has_folder(cgroup, e->name)
						: cgroup_is_within(cgroup, e->name))
			return true;
	}
	return false;
}
