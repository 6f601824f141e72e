// SPDX-License-Identifier: MIT
#include "compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "profd/abi.h"
#include "util/cleanup.h"

/* Spaces that are kept: each holds a descriptor for each of its files. */
#define MAX_SPACES 48

/* What a pid stands for. */
struct process {
	uint32_t pid;
	const char *maps; /* in the capture */
	size_t maps_size;
	struct space *space; /* NULL: not read yet, or not kept */
	UT_hash_handle hh;
};

/* In the order of their last use; and how many have a space. */
struct processes {
	struct process *table;
	size_t spaces;
	struct code_files files;
};

static void drop_space(struct processes *all, struct process *p)
{
	all->spaces -= p->space != NULL;
	space_free(p->space);
	p->space = NULL;
}

static int take_maps(struct processes *all, const struct capture_record *record)
{
	struct process *p;

	HASH_FIND(hh, all->table, &record->pid, sizeof(record->pid), p);
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		p->pid = record->pid;
		HASH_ADD(hh, all->table, pid, sizeof(p->pid), p);
	}
	drop_space(all, p);
	p->maps = record->maps;
	p->maps_size = record->maps_size;
	return 0;
}

static void drop_oldest(struct processes *all)
{
	struct process *p, *next;

	HASH_ITER (hh, all->table, p, next) {
		if (p->space) {
			drop_space(all, p);
			return;
		}
	}
}

/* The process is the last one that was used then, and has its space. */
static int use(struct processes *all, struct process *p)
{
	int r;

	HASH_DEL(all->table, p);
	HASH_ADD(hh, all->table, pid, sizeof(p->pid), p);
	if (p->space)
		return 0;
	if (all->spaces == MAX_SPACES)
		drop_oldest(all);
	r = space_new(&p->space, &all->files, p->maps, p->maps_size);
	all->spaces += !r;
	return r;
}

static int take_sample(
	struct report *report, struct processes *all, const struct capture_record *record)
{
	const struct capture_sample *s = &record->sample;
	bool complete = s->end == PROFD_END_COMPLETE;
	_cleanup_free_ uint64_t *frames = NULL;
	_cleanup_free_ struct walk *libdw = malloc(sizeof(*libdw));
	struct process *p;
	int r;

	HASH_FIND(hh, all->table, &record->pid, sizeof(record->pid), p);
	if (!p || s->end == PROFD_END_NO_USER)
		return 0;
	r = use(all, p);
	if (r)
		return r;
	frames = calloc(s->n_user + 1U, sizeof(*frames));
	if (!frames || !libdw)
		return -ENOMEM;
	memcpy(frames, record->frames, s->n_user * sizeof(*frames));
	space_walk(p->space, record, libdw);
	return report_add(report, p->space, record, frames, libdw,
		judge(p->space, frames, s->n_user, complete, libdw));
}

int compare_capture(struct report *report, const char *path)
{
	struct processes all = {0};
	struct process *p, *next;
	struct capture_record record;
	struct capture_file file;
	int r = capture_file_open(&file, path), more;

	if (r)
		return r;
	while (!r && (more = capture_file_next(&file, &record)) != 0)
		r = more < 0			  ? more
		    : record.kind == CAPTURE_MAPS ? take_maps(&all, &record)
						  : take_sample(report, &all, &record);
	HASH_ITER (hh, all.table, p, next) {
		HASH_DEL(all.table, p);
		space_free(p->space);
		free(p);
	}
	code_files_free(&all.files);
	capture_file_close(&file);
	return r;
}
