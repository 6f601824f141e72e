// SPDX-License-Identifier: MIT
#include "process_names.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "profile/pprof.h"
#include "util/cleanup.h"
#include "util/log.h"

#define MAIN_THREAD (1ULL << 32)

int process_names_init(struct process_names *names)
{
	*names = (struct process_names){.texts = strings_new()};
	return names->texts ? 0 : -ENOMEM;
}

void process_names_free(struct process_names *names)
{
	strings_free(names->texts);
	tally_free(&names->by_pid);
}

static int note(struct process_names *names, uint32_t pid, bool is_main, const char *comm)
{
	int64_t at = tally_entry(&names->by_pid, pid);

	if (at < 0)
		return (int)at;
	uint64_t *name = &names->by_pid.entries[at].sum;
	if (*name && (!is_main || *name & MAIN_THREAD))
		return 0;
	int64_t id = strings_add(names->texts, comm, strlen(comm));
	if (id < 0)
		return (int)id;
	*name = (uint64_t)id | (is_main ? MAIN_THREAD : 0);
	return 0;
}

static int note_sample(struct process_names *names, const struct profile *p, const struct sample *s)
{
	const char *comm = "";
	int64_t pid = 0, tid = 0;

	for (size_t i = 0; i < s->n_labels; i++) {
		const struct label *l = &p->labels[s->first_label + i];
		const char *key = profile_text(p, l->key);
		if (!strcmp(key, "pid"))
			pid = l->num;
		else if (!strcmp(key, "tid"))
			tid = l->num;
		else if (!strcmp(key, "comm"))
			comm = profile_text(p, l->str);
	}
	if (pid <= 0 || pid > UINT32_MAX || !*comm)
		return 0;
	return note(names, (uint32_t)pid, pid == tid, comm);
}

int process_names_add(struct process_names *names, const struct store_entry *window)
{
	_cleanup_close_ int fd = open(window->path, O_RDONLY | O_CLOEXEC);
	struct profile *p = NULL;
	char why[512] = "";

	int err = fd < 0 ? -errno : pprof_read_labels(&p, fd, window->path, why, sizeof(why));
	if (err == -ENOMEM)
		return err;
	if (err) {
		log_warning("no names of processes from %s", *why ? why : window->path);
		return 0;
	}
	for (size_t i = 0; p && i < p->n_samples && !err; i++)
		err = note_sample(names, p, &p->samples[i]);
	profile_free(p);
	return err;
}

uint32_t process_name_id(struct process_names *names, uint32_t pid)
{
	/* Made if it is new: then it has no name. */
	int64_t at = tally_entry(&names->by_pid, pid);
	return at < 0 ? 0 : (uint32_t)names->by_pid.entries[at].sum;
}

const char *process_name(struct process_names *names, uint32_t pid)
{
	return strings_text(names->texts, process_name_id(names, pid));
}
