/* SPDX-License-Identifier: MIT */
/*
 * own_stack.h - walks this process's own stack as the collector finishes a miss: with the mappings
 * of /proc/self/maps, pages that are compiled when they are asked for, and a copy of the stack.
 */
#ifndef PROFD_TEST_OWN_STACK_H
#define PROFD_TEST_OWN_STACK_H

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "collector/finisher.h"
#include "collector/process.h"
#include "collector/procfs.h"
#include "collector/spaces.h"
#include "collector/tables.h"
#include "fake_unwinder.h"
#include "unwinder/code_modules.h"

static struct own {
	struct table_memory *memory;
	struct tables *tables;
	struct spaces *spaces;
	struct finisher *finisher;
	struct process *process;
	struct code_modules compilers;
	/* The last stack. */
	__u64 frames[PROFD_MAX_USER_FRAMES];
	size_t n;
	int end;
} own;

/* ---- life --------------------------------------------------------------------------------- */

static inline int own_map(void *userdata, const struct module_mapping *mapping, uint64_t offset)
{
	struct module *m = module_new(MODULE_FILE, mapping->path, strlen(mapping->path));
	const struct mappings *known = own.process->mappings;
	int fd = mapping->inode ? open(mapping->path, O_RDONLY | O_CLOEXEC) : -1;

	assert_non_null(m);
	if (fd < 0 || module_take_file(m, fd))
		m->kind = MODULE_ANON;
	for (uint32_t i = 0; known && i < known->count && m->kind == MODULE_FILE; i++) {
		if (!module_same_identity(known->maps[i].module, m))
			continue;
		module_unref(m);
		m = module_ref(known->maps[i].module);
		break;
	}
	assert_int_equal(mappings_add(&own.process->mappings, mapping->start,
				 mapping->end - mapping->start, offset, m),
		0);
	module_unref(m);
	return 0;
}

/* No mapping is missing. */
bool process_refresh(struct processes *table, struct process *process, uint64_t address)
{
	fail_msg("nothing is mapped at %lx", (unsigned long)address);
	return false;
}

static inline void own_done(void *userdata, const struct profd_sample *s,
	const struct profd_miss *miss, struct process *process)
{
	own.n = s->n_user;
	own.end = s->user_end;
	memcpy(own.frames, s->frames, s->n_user * sizeof(own.frames[0]));
}

static inline void own_changed(void *userdata, const struct module *m, uint32_t entry)
{
	finisher_resume(own.finisher, m, entry);
}

static inline int own_open(void **state)
{
	const struct profd_identity identity = {.pid = (uint32_t)getpid(), .exec_id = 1};

	own = (struct own){.memory = heap_new(), .process = process_new(&identity)};
	assert_true(own.memory && own.process);
	own.compilers.heap_limit = UINT64_MAX;
	assert_int_equal(procfs_maps(identity.pid, own_map, NULL), 0);
	assert_int_equal(tables_new(&own.tables, own.memory, NULL, 16 << 20, own_changed, NULL), 0);
	assert_int_equal(spaces_new(&own.spaces, own.memory, own.tables), 0);
	return finisher_new(
		&own.finisher, own.memory, own.tables, own.spaces, NULL, 8u << 20, own_done, NULL);
}

static inline int own_close(void **state)
{
	finisher_free(own.finisher);
	spaces_free(own.spaces);
	process_unref(own.process);
	tables_free(own.tables);
	code_modules_close(&own.compilers);
	heap_free(own.memory);
	return 0;
}

/* ---- compiling ---------------------------------------------------------------------------- */

static inline struct code_module *own_code(const struct module *m)
{
	struct file_identity identity = module_identity(m);
	struct code_module *code = NULL;
	int fd = dup(m->fd);

	assert_true(fd >= 0);
	assert_int_equal(code_modules_get(&own.compilers, &identity, &fd, &code), 0);
	if (fd >= 0)
		close(fd);
	return code;
}

static inline void own_answer(void)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	const struct fake_request *r = &fake_requests[0];
	struct code_module *m = own_code(r->module);

	if (r->opened) {
		struct unwinder_code code = {
			.low = m->layout.low,
			.n_pages = m->layout.n_pages,
			.has_rules = m->layout.has_rules,
			.n_segments = m->layout.n_segments,
		};

		memcpy(code.segments, m->layout.segments, sizeof(code.segments));
		answer_module(0, &code);
	} else {
		int n = code_modules_compile(&own.compilers, m, r->page, words);

		assert_true(n > 0);
		answer_page(0, words, (size_t)n);
	}
}

/* ---- walking ------------------------------------------------------------------------------ */

#define OWN_PAGE (1u << PROFD_MISS_PAGE_SHIFT)

/* The pages of the window that there are, up to what a miss has room for. */
static inline void own_copy(struct profd_miss *miss)
{
	uint64_t from = miss->sp - PROFD_RED_ZONE, next;

	for (unsigned i = 0; i < PROFD_MISS_WINDOW; i++, from = next) {
		struct iovec to = {(char *)(miss + 1) + miss->stack_size, 0}, at;

		next = (from & ~(OWN_PAGE - 1ULL)) + OWN_PAGE;
		to.iov_len = (size_t)(next - from);
		at = (struct iovec){(void *)(uintptr_t)from, to.iov_len};
		if (miss->stack_size + to.iov_len > PROFD_MISS_STACK ||
			process_vm_readv(getpid(), &to, 1, &at, 1, 0) < 0)
			continue;
		miss->stack_size += (__u32)to.iov_len;
		miss->present |= 1ULL << i;
	}
}

/* From a frame whose registers these are; own.frames, .n and .end are what was found. */
static inline void own_walk(uint64_t ip, uint64_t sp, uint64_t fp)
{
	struct {
		struct profd_sample sample;
		__u64 frame;
		struct profd_miss miss;
		char stack[PROFD_MISS_STACK];
	} *record = calloc(1, sizeof(*record));

	assert_non_null(record);
	record->sample = (struct profd_sample){
		.process = *process_identity(own.process),
		.n_user = 1,
		.flags = PROFD_SAMPLE_MISSED,
	};
	record->frame = ip;
	record->miss = (struct profd_miss){
		.ip = ip, .sp = sp, .fp = fp, .innermost = 1, .exact = 1};
	own_copy(&record->miss);
	record->sample.miss_size = (__u32)sizeof(record->miss) + record->miss.stack_size;
	own.end = -1;
	finisher_add(own.finisher, &record->sample, own.process, 0);
	free(record);
	while (n_fake_requests)
		own_answer();
}

#endif
