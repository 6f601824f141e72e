// SPDX-License-Identifier: MIT
/* process_resolve.c - where the addresses of a process lead. */
#include <errno.h>

#include "collector/processes_impl.h"
#include "util/now.h"

#define SECOND		   1000000000ULL
#define MAX_RESCAN_SECONDS 64
#define PERF_MAP_RETRY_NS  (10 * SECOND)
#define FILE_RETRY_NS	   (10 * SECOND)
/* No mapping is below (vm.mmap_min_addr) or above (57 bits with 5-level paging). */
#define LOWEST_ADDRESS	4096
#define HIGHEST_ADDRESS (1ULL << 56)

static struct module *jit_module(struct processes *p, struct process *process)
{
	uint64_t now = now_ns();
	if (!process->jit) {
		process->jit = modules_perf_map(p->modules, process->identity.pid);
		process->jit_tried = now;
	} else if (process->jit->state == MODULE_FAILED && !process->dead &&
		   (now - process->jit_tried > PERF_MAP_RETRY_NS ||
			   process->jit_tried < p->jits_anew)) {
		modules_retry_perf_map(p->modules, process->jit);
		process->jit_tried = now;
	}
	return process->jit;
}

void processes_retry_jits(struct processes *p)
{
	p->jits_anew = now_ns();
}

/* Until the end of an exec the saved user registers are those of the image before: a clock tick in
 * execve shows where that one made the call. */
static const struct memory_map *find_in_image_before(
	const struct process *process, uint64_t address)
{
	const struct process *before = process->guessed ? process->next : NULL;
	while (before && before->identity.pid != process->identity.pid)
		before = before->next;
	return before ? mappings_find(before->mappings, address) : NULL;
}

/* Whether opening it failed for reasons of ours, or of the moment. */
static bool may_open_later(const struct module *m)
{
	if (m->state != MODULE_FAILED || m->kind != MODULE_FILE)
		return false;
	switch (m->error) {
	case -ENOBUFS: /* too many files at once, as at the start on a large host */
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -EAGAIN:
	case -EPIPE: /* the opener died */
	case -ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

/* A failed file is tried again when it is mapped again; what maps it for long would never do so:
 * then its maps are read again, when it is sampled next. */
static void retry_file(struct process *process, const struct module *m)
{
	if (process->dead || !may_open_later(m))
		return;
	uint64_t now = now_ns();
	if (process->files_tried && now - process->files_tried < FILE_RETRY_NS)
		return;
	process->files_tried = now;
	image_make_stale(process);
}

/* Looks again where nothing was known; the wait doubles while that does not help, since a broken
 * stack is full of addresses that lead nowhere. */
static const struct memory_map *find_after_rescan(
	struct processes *p, struct process *process, uint64_t address)
{
	if (address < LOWEST_ADDRESS || address >= HIGHEST_ADDRESS || !image_rescan(p, process))
		return NULL;
	const struct memory_map *map = mappings_find(process->mappings, address);
	if (map)
		process->rescan_seconds = 1;
	else if (process->rescan_seconds < MAX_RESCAN_SECONDS)
		process->rescan_seconds *= 2;
	return map;
}

bool process_refresh(struct processes *p, struct process *process, uint64_t address)
{
	return find_after_rescan(p, process, address);
}

void process_resolve(
	struct processes *p, struct process *process, uint64_t address, struct frame *out)
{
	*out = (struct frame){.offset = address};
	const struct memory_map *map = mappings_find(process->mappings, address);
	if (!map)
		map = find_in_image_before(process, address);
	if (!map)
		map = find_after_rescan(p, process, address);
	if (!map)
		return;
	struct module *module = map->module->same ? map->module->same : map->module;
	retry_file(process, module);
	if (module_is_jit(module))
		module = jit_module(p, process);
	else if (module->kind == MODULE_FILE || module->kind == MODULE_VDSO)
		out->offset = address - map->start +
			      ((uint64_t)map->file_page << MAPPINGS_PAGE_SHIFT);
	out->module = module;
}
