// SPDX-License-Identifier: MIT
#include "compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "profd/abi.h"
#include "util/cleanup.h"

/* The space that is in force for a pid. */
struct process {
	uint32_t pid;
	struct space *space;
	UT_hash_handle hh;
};

static int take_maps(
	struct process **processes, struct code_files *files, const struct capture_record *record)
{
	struct process *p;

	HASH_FIND(hh, *processes, &record->pid, sizeof(record->pid), p);
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		p->pid = record->pid;
		HASH_ADD(hh, *processes, pid, sizeof(p->pid), p);
	}
	space_free(p->space);
	p->space = NULL;
	return space_new(&p->space, files, record->maps, record->maps_size);
}

static int take_sample(
	struct report *report, struct process *processes, const struct capture_record *record)
{
	const struct capture_sample *s = &record->sample;
	bool complete = s->end == PROFD_END_COMPLETE;
	_cleanup_free_ uint64_t *frames = NULL;
	_cleanup_free_ struct walk *libdw = malloc(sizeof(*libdw));
	struct process *p;

	HASH_FIND(hh, processes, &record->pid, sizeof(record->pid), p);
	if (!p || s->end == PROFD_END_NO_USER)
		return 0;
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
	struct process *processes = NULL, *p, *next;
	struct code_files files = {0};
	struct capture_record record;
	struct capture_file file;
	int r = capture_file_open(&file, path), more;

	if (r)
		return r;
	while (!r && (more = capture_file_next(&file, &record)) != 0)
		r = more < 0			  ? more
		    : record.kind == CAPTURE_MAPS ? take_maps(&processes, &files, &record)
						  : take_sample(report, processes, &record);
	HASH_ITER (hh, processes, p, next) {
		HASH_DEL(processes, p);
		space_free(p->space);
		free(p);
	}
	code_files_free(&files);
	capture_file_close(&file);
	return r;
}
