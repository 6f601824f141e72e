// SPDX-License-Identifier: MIT
#include "collector/targets.h"

#include <errno.h>
#include <stdlib.h>

#include "util/grow.h"

/* A process can fork between being listed and being added: its child then shows up in the next
 * list. A family that outruns this many lists keeps its newest members out. */
#define MAX_SCANS 8

struct relation {
	uint32_t pid, parent;
	bool target;
};

struct family {
	struct relation *members; /* all processes of one list, by pid */
	size_t count, capacity;
	uint32_t *targets; /* pids that are in the map */
	size_t n_targets, targets_capacity;
	int error; /* of a callback */
};

static void add_relation(void *userdata, const struct profd_process_record *record)
{
	struct family *f = userdata;
	int r = grow(f->members, f->count, f->capacity, 1);

	if (r < 0)
		f->error = r;
	else
		f->members[f->count++] = (struct relation){
			.pid = record->process.pid, .parent = record->parent};
}

static int compare_pids(const void *left, const void *right)
{
	uint32_t a = ((const struct relation *)left)->pid,
		 b = ((const struct relation *)right)->pid;

	return a < b ? -1 : a > b;
}

static struct relation *find(struct family *f, uint32_t pid)
{
	struct relation key = {.pid = pid};

	return bsearch(&key, f->members, f->count, sizeof(key), compare_pids);
}

/* Is it or one of its ancestors a target? Parents form no cycle unless a pid was reused while the
 * list was read: hence the bound. */
static bool descends(struct family *f, const struct relation *member)
{
	const struct relation *up = member;

	for (size_t i = 0; up && i < f->count; i++) {
		if (up->target)
			return true;
		up = find(f, up->parent);
	}
	return false;
}

static int list_processes(struct bpf_host *bpf, struct family *f)
{
	f->count = 0;
	f->error = 0;
	int r = bpf_host_each_process(bpf, add_relation, f);
	if (r >= 0)
		r = f->error;
	if (r == 0 && f->count)
		qsort(f->members, f->count, sizeof(*f->members), compare_pids);
	return r;
}

static int add_target(struct bpf_host *bpf, unsigned slot, struct family *f, uint32_t pid)
{
	int r = grow(f->targets, f->n_targets, f->targets_capacity, 1);
	if (r == 0)
		r = bpf_host_add_target(bpf, slot, PROFD_TARGET_PID, pid);
	if (r == 0)
		f->targets[f->n_targets++] = pid;
	return r;
}

/* The number of descendants in the list that were not targets before, now added; or -errno. */
static int add_descendants(struct bpf_host *bpf, unsigned slot, struct family *f)
{
	int added = 0;

	for (size_t i = 0; i < f->n_targets; i++) {
		struct relation *member = find(f, f->targets[i]);
		if (member)
			member->target = true;
	}
	for (size_t i = 0; i < f->count; i++) {
		struct relation *member = &f->members[i];
		if (member->target || !descends(f, member))
			continue;
		int r = add_target(bpf, slot, f, member->pid);
		if (r < 0)
			return r;
		member->target = true;
		added++;
	}
	return added;
}

static int install_family(struct bpf_host *bpf, unsigned slot, const struct session_filter *filter)
{
	struct family f = {};
	int r = 0;

	for (size_t i = 0; r == 0 && i < filter->n_pids; i++)
		r = add_target(bpf, slot, &f, filter->pids[i]);
	for (int scan = 0; r == 0 && scan < MAX_SCANS; scan++) {
		r = list_processes(bpf, &f);
		if (r == 0)
			r = add_descendants(bpf, slot, &f);
		if (r <= 0)
			break;
		r = 0;
	}
	free(f.members);
	free(f.targets);
	return r;
}

int targets_install(struct bpf_host *bpf, unsigned slot, const struct session_filter *filter)
{
	int r = 0;

	if (filter->children)
		r = install_family(bpf, slot, filter);
	else
		for (size_t i = 0; r == 0 && i < filter->n_pids; i++)
			r = bpf_host_add_target(bpf, slot, PROFD_TARGET_PID, filter->pids[i]);
	for (size_t i = 0; r == 0 && i < filter->n_tids; i++)
		r = bpf_host_add_target(bpf, slot, PROFD_TARGET_TID, filter->tids[i]);
	return r;
}
