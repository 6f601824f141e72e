// SPDX-License-Identifier: MIT
/*
 * process_records.c - what records do to the process table.
 *
 * At an exec the kernel emits, in this order: COMM with the exec flag (begin_new_exec), MMAP2 for
 * each part of the new image (load_elf_binary), and the EXEC record (tracepoint at the end of
 * exec_binprm). self_exec_id is raised just behind COMM. So COMM starts a new image whose exec_id
 * is taken to be one more, its first file mapping is the executable, and EXEC confirms the
 * identity.
 */
#include <errno.h>

#include "collector/processes_impl.h"

static void on_fork(struct processes *p, const struct record *record)
{
	const struct profd_process_record *r = record->process;
	struct process *known = image_newest(p, r->process.pid);
	/* The scan at the start sees processes whose records are still in the rings. */
	if (!r->process.pid || (known && known->identified >= record->time))
		return;
	struct process *child = image_add(p, &r->process, record->time);
	if (!child)
		return;
	child->parent = r->parent;
	process_set_comm(child, r->process.pid, r->comm);
	struct process *parent = r->parent ? image_newest(p, r->parent) : NULL;
	/* An image that the parent has become since is not what was forked. */
	if (parent && parent->identified <= record->time)
		process_inherit(child, parent);
	else
		image_make_stale(child);
	image_set_cgroup(p, child, r->cgroup, r->cgroup_v1);
}

static void on_exec_comm(struct processes *p, const struct record *record)
{
	struct process *old = image_newest(p, record->comm.pid);
	if (old && old->identified >= record->time)
		return;
	struct profd_identity identity = {.pid = record->comm.pid};
	if (old && !old->provisional) {
		identity = old->identity;
		identity.exec_id++;
	}
	if (old) /* a full table may let go of it, if it was dead */
		process_ref(old);
	struct process *new = image_add(p, &identity, record->time);
	if (!new) {
		process_unref(old);
		return;
	}
	new->provisional = !old || old->provisional;
	new->guessed = new->by_exec = true;
	process_set_comm(new, record->comm.pid, record->comm.comm);
	if (old && old->cgroup) {
		new->cgroup = cgroup_ref(old->cgroup);
		new->cgroup_id = old->cgroup_id;
		new->cgroup_v1 = old->cgroup_v1;
	}
	if (old)
		new->parent = old->parent;
	process_unref(old);
}

static void on_comm(struct processes *p, const struct record *record)
{
	if (!record->comm.pid || record->comm.pid == UINT32_MAX)
		return;
	if (record->comm.exec) {
		on_exec_comm(p, record);
		return;
	}
	struct process *process = image_newest(p, record->comm.pid);
	if (process)
		process_set_comm(process, record->comm.tid, record->comm.comm);
}

static void on_exec(struct processes *p, const struct record *record)
{
	const struct profd_process_record *r = record->process;
	struct process *process = image_newest(p, r->process.pid);
	if (!r->process.pid)
		return;
	bool awaited = process && (process->provisional ||
					  (process->guessed && process->identity.start_boottime ==
								       r->process.start_boottime));
	if (awaited) {
		process->identity = r->process;
		process->provisional = process->guessed = false;
	} else if (!process || !image_is(process, &r->process)) {
		if (process && process->identified >= record->time)
			return;
		process = image_add(p, &r->process, record->time); /* COMM was lost */
		if (!process)
			return;
		image_make_stale(process);
	}
	process_set_comm(process, r->process.pid, r->comm);
	image_set_cgroup(p, process, r->cgroup, r->cgroup_v1);
}

/* The image that a record is about which changes none; NULL: it is not known. */
static struct process *told_of(struct processes *p, const struct profd_process_record *r)
{
	struct process *process = image_newest(p, r->process.pid);

	return process && (process->provisional ||
				  process->identity.start_boottime == r->process.start_boottime)
		       ? process
		       : NULL;
}

static void on_exit_record(struct processes *p, const struct record *record)
{
	struct process *process = told_of(p, record->process);

	if (process)
		image_end(p, process, record->time);
}

static void on_cgroup(struct processes *p, const struct profd_process_record *r)
{
	struct process *process = told_of(p, r);

	if (process)
		image_set_cgroup(p, process, r->cgroup, r->cgroup_v1);
}

static struct module *map_module(struct processes *p, const struct record *record)
{
	const struct module_mapping mapping = {
		.pid = record->mmap.pid,
		.start = record->mmap.start,
		.end = record->mmap.start + record->mmap.length,
		.major = record->mmap.major,
		.minor = record->mmap.minor,
		.inode = record->mmap.inode,
		.inode_generation = record->mmap.inode_generation,
		.path = record->mmap.path,
	};

	return modules_map(p->modules, &mapping);
}

/* UINT32_MAX is the pid of kernel modules' mappings. */
static bool is_process_mapping(const struct record *record)
{
	return record->mmap.pid && record->mmap.pid != UINT32_MAX;
}

void processes_preview(struct processes *p, const struct record *record)
{
	if (is_process_mapping(record))
		module_unref(map_module(p, record));
}

static void on_mmap(struct processes *p, const struct record *record)
{
	struct process *process = is_process_mapping(record) ? image_newest(p, record->mmap.pid)
							     : NULL;

	if (!process || record->time <= process->mapped)
		return;
	struct module *module = map_module(p, record);
	int error = module ? mappings_add(&process->mappings, record->mmap.start,
				     record->mmap.length, record->mmap.offset, module)
			   : -ENOMEM;
	if (error == -E2BIG || error == -ENOMEM)
		image_make_stale(process);
	/* Where records were lost, the first one that is left can be the loader's. */
	if (module && module->kind == MODULE_FILE && process->by_exec && !process->tried_exe &&
		!image_is_stale(p, process))
		process_set_exe(process, module->path, module);
	module_unref(module);
}

void processes_handle(struct processes *p, const struct record *record)
{
	if (record->time > p->now)
		p->now = record->time;
	image_drop_dead(p, p->now);
	switch (record->kind) {
	case RECORD_FORK:
		on_fork(p, record);
		break;
	case RECORD_EXEC:
		on_exec(p, record);
		break;
	case RECORD_EXIT:
		on_exit_record(p, record);
		break;
	case RECORD_CGROUP:
		on_cgroup(p, record->process);
		break;
	case RECORD_COMM:
		on_comm(p, record);
		break;
	case RECORD_MMAP:
		on_mmap(p, record);
		break;
	case RECORD_LOST:
		p->losses++;
		break;
	case RECORD_SAMPLE:
	case RECORD_ALLOC:
	case RECORD_FREE:
	case RECORD_KSYMBOL: /* the kernel is one module, whatever it has loaded */
		break;
	}
}
